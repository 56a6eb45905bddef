"""DESIGN's failure table, row by row, and crashes: nothing else stops, nothing is lost silently, what is said helps."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from processes import BROKER

import iceway

MB = 1 << 20


USE_BOTH_WAYS = """
import iceway
with iceway.connect() as bus:
    sub = bus.subscribe("/n", "std_msgs/msg/Int32")
    pub = bus.advertise("/m", "std_msgs/msg/Int32")
    pub.publish(data=1)
"""


def wait_until(condition, what, timeout=20.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"{what}: did not come true within {timeout} s"
        time.sleep(0.01)


def start_counter(peer, topic="/n"):
    """Publishes 0, 1, 2 … at 100 Hz from a timer of the ROS node."""
    peer.do(f"peer.advertise('{topic}', 'std_msgs/msg/Int32')\ncount = 0")
    peer.do(
        f"def tick():\n    global count\n    peer.publishers['{topic}'].publish(message('std_msgs/msg/Int32')(data=count))\n    count += 1\ntimer = node.create_timer(0.01, tick)"
    )


def test_client_killed_while_it_holds_samples(world):
    """Nothing else stops; its memory and its demand are gone soon."""
    broker = world.broker()
    peer = world.ros_peer()
    start_counter(peer)
    with iceway.connect() as bus:
        sub = bus.subscribe("/n", depth=64)
        sub.recv(timeout=20)
        before = world.shm_files()
        ai = world.ai()
        ai.do("sub = bus.subscribe('/n', depth=8)\nother = bus.subscribe('/only_mine', 'std_msgs/msg/String')\npub = bus.advertise('/mine', 'std_msgs/msg/String')")
        ai.do("held = [sub.recv(timeout=20) for _ in range(5)]")
        assert len(world.shm_files()) > len(before)
        ai.kill()
        wait_until(lambda: "/only_mine" not in {r["topic"] for r in bus.stats()["routes"]}, "the dead client's route ends")
        wait_until(lambda: len(world.shm_files()) <= len(before), "what the dead client had in shared memory is freed")
        values = [sub.recv(timeout=20).data for _ in range(100)]
        assert len(set(values)) == 100
        assert broker.process.poll() is None


def test_stuck_client_disturbs_nobody(world):
    world.broker()
    peer = world.ros_peer()
    with iceway.connect() as bus:
        ai = world.ai()
        ai.do("sub = bus.subscribe('/n', 'std_msgs/msg/Int32', depth=4)")
        sub = bus.subscribe("/n", "std_msgs/msg/Int32", depth=64)
        start_counter(peer)
        ai.do("first = sub.recv(timeout=20).data")
        ai.signal(signal.SIGSTOP)
        first = sub.recv(timeout=20).data
        values = [sub.recv(timeout=20).data for _ in range(100)]
        assert values == list(range(first + 1, first + 101))
        assert not any(sub.stats[cause] for cause in ("overflow", "lost_before"))
        ai.signal(signal.SIGCONT)
        # It goes on with the newest, and knows what it missed.
        ai.do("values = [sub.recv(timeout=20).data for _ in range(20)]")
        values = ai.get("[first, *values]")
        assert values == sorted(set(values))
        assert ai.get("sub.stats['overflow']") > 0
        assert ai.get("sub.stats['overflow'] + sub.stats['received']") == values[-1] - values[0] + 1


def test_broker_killed_and_restarted_under_live_clients(world):
    broker = world.broker()
    peer = world.ros_listener("/echo", "std_msgs/msg/Int32", keep="lambda m: m.data")
    start_counter(peer)
    with iceway.connect() as bus:
        sub = bus.subscribe("/n", depth=16)
        pub = bus.advertise("/echo", "std_msgs/msg/Int32")
        held = sub.recv(timeout=20)
        value = held.data
        broker.kill()
        with pytest.raises(iceway.BrokerGone, match="iceway run"):
            wait_until(lambda: pub.publish(data=-1, timeout=0.2), "publish notices that the broker is gone")
        assert held.data == value
        while sub.try_recv() is not None:
            pass
        with pytest.raises(iceway.Timeout):
            sub.recv(timeout=0.2)
        world.broker()
        after = sub.recv(timeout=20)
        assert after.data > value
        assert held.data == value
        # Publishing works again too, with nothing done by the user.
        pub.publish(data=after.data)
        peer.wait_until(f"{after.data} in peer.received['/echo']")


def test_killed_broker_leaves_nothing_after_the_next_one_ends(world):
    broker = world.broker()
    assert world.run(world.python, "-c", USE_BOTH_WAYS).returncode == 0
    broker.kill()
    second = world.broker()
    second.stop()
    assert world.shm_files() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_broker_ends_cleanly(world, number):
    broker = world.broker()
    assert world.run(world.python, "-c", USE_BOTH_WAYS).returncode == 0
    broker.signal(number)
    assert broker.wait() == 0
    assert world.shm_files() == []


def test_message_larger_than_the_limit(world, tmp_path):
    config = tmp_path / "iceway.toml"
    config.write_text("[[route]]\ntopic = '/image'\nmax_message_bytes = 1000000\n")
    broker = world.broker("--config", str(config))
    peer = world.ros_peer()
    peer.do("peer.advertise('/image', 'sensor_msgs/msg/Image')")
    with iceway.connect() as bus:
        sub = bus.subscribe("/image", depth=8)
        assert peer.get("peer.matched('/image')")
        peer.do("for n, size in enumerate([10, 2_000_000, 20]): peer.publishers['/image'].publish(image(n, size))")
        assert [sub.recv(timeout=20).header.frame_id for _ in range(2)] == ["0", "2"]
        assert sub.stats["lost_before"] == 1
        route = next(r for r in bus.stats()["routes"] if r["topic"] == "/image")
        assert route["counters"]["too_large"] == 1
    broker.wait_for_log("max_message_bytes")


def test_hostile_cdr_never_reaches_ros(world):
    broker = world.broker()
    peer = world.ros_listener("/text", "std_msgs/msg/String", keep="lambda m: m.data")
    with iceway.connect() as bus:
        pub = bus.advertise("/text", "std_msgs/msg/String")
        good = pub.schema.encode(data="good")
        lying = bytes(good[:4]) + b"\xff\xff\xff\x7f" + bytes(good[8:])
        for bad in (lying, bytes(good[:6]), b"", b"\x00\x07\x00\x00abcd"):
            pub._publish_unchecked(bad)
        pub.publish(data="good")
        peer.wait_until("peer.received['/text']")
        assert peer.get("peer.received['/text']") == ["good"]
        route = next(r for r in bus.stats()["routes"] if r["topic"] == "/text")
        assert route["counters"]["malformed"] == 4
    log = broker.wait_for_log(r"refused.*\n?.*data").string
    assert "/text" in log


def test_type_conflicts_are_named(world):
    broker = world.broker()
    first, second = world.ros_peer(), world.ros_peer()
    first.do("peer.advertise('/x', 'std_msgs/msg/Int32')")
    with iceway.connect() as bus:
        sub = bus.subscribe("/x")
        assert sub.type == "std_msgs/msg/Int32"
        with pytest.raises(iceway.TypeMismatch, match=r"(?s)Int32.*String|String.*Int32"):
            bus.subscribe("/x", "std_msgs/msg/String")
        # A topic that nobody bridges yet.
        first.do("peer.advertise('/y', 'std_msgs/msg/Int32')")
        world.wait_for_topic("/y")
        with pytest.raises(iceway.TypeMismatch, match=r"/y carries std_msgs/msg/Int32 in ROS, but std_msgs/msg/String"):
            bus.subscribe("/y", "std_msgs/msg/String")
        second.do("peer.advertise('/x', 'std_msgs/msg/String')")
        broker.wait_for_log(r"(?s)/x.*(Int32.*String|String.*Int32)")


def test_unknown_topic_and_unknown_type(world):
    world.broker()
    with iceway.connect() as bus:
        with pytest.raises(iceway.UnknownTopic, match="/nobody"):
            bus.subscribe("/nobody", timeout=0.2)
        with pytest.raises(iceway.UnknownType, match="no_such_msgs"):
            bus.subscribe("/x", "no_such_msgs/msg/X")
        with pytest.raises(iceway.UnknownType, match="std_msgs/msg/Strin"):
            bus.subscribe("/x", "std_msgs/msg/Strin")
        for bad in ("/a//b", "/a b", "", "/1a", "/a/"):
            with pytest.raises(iceway.Error):
                bus.subscribe(bad, "std_msgs/msg/String")


def test_second_broker_refuses_and_says_who_holds_the_domain(world):
    broker = world.broker()
    second = world.broker(wait=False)
    assert second.wait() != 0
    holder = re.search(r"process (\d+)", second.stderr())
    assert holder, second.stderr()
    assert Path(f"/proc/{holder[1]}/cmdline").read_bytes().find(b"iceway") >= 0
    assert broker.process.poll() is None


def test_no_broker(world):
    start = time.monotonic()
    with pytest.raises(iceway.NoBroker, match="iceway run"):
        iceway.connect(timeout=0.3)
    assert time.monotonic() - start >= 0.3


def test_connect_waits_for_a_broker_that_comes_later(world):
    ai = subprocess.Popen([world.python, "-c", "import iceway; iceway.connect(timeout=30); print('connected')"], env=world.env, stdout=subprocess.PIPE, text=True)
    try:
        world.broker()
        assert ai.communicate(timeout=40)[0] == "connected\n"
    finally:
        ai.kill()


def test_full_memory_drops_counts_and_recovers(world, tmp_path):
    """A /dev/shm of 48 MB (in a mount namespace of the test's own), filled by a file, then freed again."""
    if subprocess.run(["unshare", "-rm", "true"]).returncode != 0:
        pytest.fail("this test needs user namespaces (unshare -rm)")
    script = tmp_path / "full.sh"
    script.write_text(
        f"""set -e
mount -t tmpfs -o size=48m tmpfs /dev/shm
exec {world.python} {world.root}/tests/full_memory.py
"""
    )
    result = subprocess.run(["unshare", "-rm", "bash", str(script)], env=world.ros_env, capture_output=True, text=True, timeout=180)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "recovered" in result.stdout


def test_slow_reader_of_a_large_topic_keeps_memory_bounded(world):
    """Newest-only receivers touch a handful of chunks, whatever the number of frames."""
    world.broker()
    peer = world.ros_peer()
    peer.do("peer.advertise('/image', 'sensor_msgs/msg/Image')")
    with iceway.connect() as bus:
        sub = bus.subscribe("/image")
        assert peer.get("peer.matched('/image')")
        peer.do("for n in range(60): peer.publishers['/image'].publish(image(n, 2_000_000))")
        while sub.recv(timeout=20).header.frame_id != "59":
            pass
        used = sum(p.stat().st_blocks * 512 for p in Path("/dev/shm").glob(f"iceway_{os.getuid()}_{world.domain}_*"))
        assert used < 12 * 2_000_000, f"{used / 1e6:.0f} MB"


def test_arrays_outlive_everything(world):
    broker = world.broker()
    peer = world.ros_peer()
    peer.do("peer.advertise('/image', 'sensor_msgs/msg/Image')")
    bus = iceway.connect()
    sub = bus.subscribe("/image", depth=8)
    assert peer.get("peer.matched('/image')")
    peer.do("for n in range(4): peer.publishers['/image'].publish(image(n, 100_000))")
    arrays = [sub.recv(timeout=20).data for _ in range(4)]
    sub.close()
    del sub
    bus.close()
    peer.do("for n in range(4, 40): peer.publishers['/image'].publish(image(n, 100_000))")
    broker.kill()
    for number, array in enumerate(arrays):
        assert np.all(array == number)


def test_broker_says_what_is_wrong_with_its_arguments(world, tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text("allow = ['/a']\ndomian = 3\n")
    for arguments, expected in [
        (("--config", bad), "line 2"),
        (("--config", tmp_path / "missing.toml"), "missing.toml"),
        (("--allow", "/a["), "/a["),
        (("--topic", "/a:notatype"), "notatype"),
        (("--topic", "a b"), "a b"),
        (("--ros-args", "-r", "nonsense"), "nonsense"),
    ]:
        result = world.run(BROKER, "run", *arguments, ros=True)
        assert result.returncode != 0
        assert expected in result.stderr
        assert "panicked" not in result.stderr
    assert world.shm_files() == []


def test_client_commands_without_a_broker(world):
    for command in (["topics"], ["echo", "/x"], ["hz", "/x"], ["stats"]):
        result = world.run(BROKER, *command, "--timeout", "0.2")
        assert result.returncode != 0
        assert "iceway run" in result.stderr
