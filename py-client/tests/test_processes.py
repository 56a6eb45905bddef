"""Several processes: brokers that die, forks, signals, exits."""

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import iceway
from conftest import eventually
from definitions import schema

pytestmark = pytest.mark.broker
STRING, IMAGE = schema("std_msgs/String"), schema("sensor_msgs/Image")


def test_publish_and_exit_at_once(world, bus):
    sub = bus.subscribe("/s", STRING)
    for ending in ("", "import os; os._exit(0)", "import sys; sys.exit()"):
        world.run(
            "import iceway\nfrom definitions import schema\n"
            "bus = iceway.connect()\n"
            "pub = bus.advertise('/s', schema('std_msgs/String'))\n"
            f"pub.publish(data='bye')\n{ending}"
        )
        assert sub.recv(10).data == "bye"


def test_exit_with_everything_alive(world):
    world.run(
        "import iceway, threading, atexit\nfrom definitions import schema\n"
        "bus = iceway.connect()\nother = iceway.connect()\n"
        "kind = schema('sensor_msgs/Image')\n"
        "sub, pub = bus.subscribe('/s', kind), other.advertise('/s', kind)\n"
        "pub.publish(data=bytes(100000))\n"
        "msg = sub.recv(10)\narray = msg.data\nloan = pub.loan(data=100)\ninside = loan.__enter__()\n"
        "kept = [msg, array, inside.data]\nkept.append(kept)\n"
        "threading.Thread(target=sub.recv, args=(1000,), daemon=True).start()\n"
        "atexit.register(lambda: print('end', array.sum(), msg.header.frame_id == ''))\n"
    )


def test_arrays_outlive_subscription_bus_and_broker(world):
    bus, other = iceway.connect(), iceway.connect()
    sub, pub = bus.subscribe("/s", IMAGE, depth=8), other.advertise("/s", IMAGE)
    messages, arrays = [], []
    for number in range(6):
        pub.publish(height=number, data=np.full(100_000, number, np.uint8))
        msg = sub.recv(10)
        messages.append(msg)
        arrays.append(msg.data)

    def check():
        gc.collect()
        for number, (msg, array) in enumerate(zip(messages, arrays, strict=True)):
            assert msg.height == number
            assert (array == number).all()
            assert (msg.data == number).all()

    check()
    del sub
    check()
    # What the writer sends now must not reuse memory that is still looked at.
    for _ in range(20):
        pub.publish(data=np.full(100_000, 99, np.uint8))
    check()
    bus.close()
    check()
    for _ in range(20):
        pub.publish(data=np.full(100_000, 98, np.uint8))
    check()
    other.close()
    del bus, other, pub
    check()
    world.kill_broker()
    check()
    world.start_broker()
    check()
    with iceway.connect() as bus, iceway.connect() as other:
        sub, pub = bus.subscribe("/s", IMAGE), other.advertise("/s", IMAGE)
        for _ in range(20):
            pub.publish(data=np.full(100_000, 97, np.uint8))
        assert (sub.recv(10).data == 97).all()
        check()


def test_everything_goes_on_with_a_new_broker(world):
    with iceway.connect() as bus, iceway.connect() as other:
        sub, pub = bus.subscribe("/s", STRING, depth=8), other.advertise("/s", STRING)
        pub.publish(data="before")
        before = sub.recv(10)
        world.kill_broker()
        eventually(lambda: not bus.broker_alive)
        assert "waiting for a broker" in repr(bus)
        with pytest.raises(iceway.BrokerGone, match="iceway run"):
            eventually(lambda: pub.publish(data="gone", timeout=0.1))
        with pytest.raises(iceway.Timeout):
            while True:
                assert sub.recv(0.1).data == "gone"
        got = []
        thread = threading.Thread(target=lambda: got.append(sub.recv(60)))
        thread.start()
        world.start_broker()
        eventually(lambda: bus.broker_alive and other.broker_alive)
        eventually(lambda: not pub.publish(data="after") and not thread.is_alive())
        assert got[0].data == "after"
        assert before.data == "before"


def test_ctrl_c_ends_any_wait(world):
    waits = {
        "recv": "sub.recv()",
        "spin": "bus.subscribe('/s', kind, wait='spin').recv()",
        "iterate": "for msg in sub: pass",
        "wait": "iceway.wait([sub, sub2])",
        "sync": "iceway.sync([sub, sub2]).recv()",
        "connect": "iceway.connect(bus.domain + 1, timeout=1000)",
    }
    for name, code in waits.items():
        process = world.python(
            "import iceway, sys\nfrom definitions import schema\n"
            "kind = schema('std_msgs/String')\n"
            "bus = iceway.connect()\nsub, sub2 = bus.subscribe('/s', kind), bus.subscribe('/t', kind)\n"
            "print('ready', flush=True)\n"
            f"try:\n    {code}\nexcept KeyboardInterrupt:\n    print('interrupted')\n"
        )
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        # Sent until it arrives: the first may come before the wait begins.
        eventually(lambda p=process: p.send_signal(signal.SIGINT) or p.poll() is not None)
        out, err = process.communicate()
        assert "interrupted" in out or "KeyboardInterrupt" in err, (name, out, err)
        assert process.returncode in (0, 1, -signal.SIGINT, 130), (name, process.returncode)


def test_signal_handlers_stay_the_users(bus):
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    called = []
    previous = signal.signal(signal.SIGUSR1, lambda *_: called.append(1))
    try:
        sub = bus.subscribe("/s", STRING)
        main = threading.main_thread().ident
        threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGUSR1)).start()
        # A handler that does not raise does not end the wait.
        with pytest.raises(iceway.Timeout):
            sub.recv(0.5)
        assert called == [1]
    finally:
        signal.signal(signal.SIGUSR1, previous)


def forked(check):
    """Run `check` in a forked child; return what it returned."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        child = os.fork()
    if child == 0:
        try:
            answer = repr(check())
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, answer.encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 0
    return answer


def test_forked_children_get_clear_errors(world):
    with iceway.connect() as bus, iceway.connect() as other:
        sub, pub = bus.subscribe("/s", IMAGE, depth=8), other.advertise("/s", IMAGE)
        pub.publish(height=7, data=bytes(1000))
        msg = sub.recv(10)
        array = msg.data
        copied = iceway.copy(msg)
        for call in (
            lambda: sub.recv(1),
            sub.try_recv,
            sub.latest,
            lambda: pub.publish(height=1),
            lambda: pub.loan(data=3).__enter__(),
            lambda: bus.subscribe("/t", IMAGE),
            lambda: bus.advertise("/t", IMAGE),
            bus.topics,
            lambda: msg.height,
            lambda: iceway.wait([sub], 1),
            lambda: iceway.copy(msg),
        ):
            answer = forked(call)
            assert answer.startswith("Forked: "), answer
            assert "process" in answer
        # What needs no memory of the parent's is fine.
        assert forked(lambda: copied.height) == "7"
        assert forked(lambda: int(array.sum())) == "0"
        assert forked(lambda: IMAGE.view(IMAGE.encode(height=3)).height) == "3"

        def drop_everything():
            nonlocal sub, pub, msg, array, bus, other
            bus.close()
            sub.close()
            other.close()
            pub.close()
            sub = pub = msg = array = bus = other = None
            gc.collect()
            return "dropped"

        assert forked(drop_everything) == "'dropped'"

        def connect_anew():
            with iceway.connect() as mine:
                own = mine.advertise("/s", IMAGE)
                own.publish(height=11)
                return own.stats["sent"]

        assert forked(connect_anew) == "1"
        # And the parent never noticed.
        pub.publish(height=8)
        eventually(lambda: sub.recv(10).height == 8)
        assert msg.height == 7


def receive_in_worker(number):
    with iceway.connect() as bus:
        sub, pub = bus.subscribe("/work", STRING), bus.advertise(f"/done{number}", STRING)
        msg = sub.recv(30)
        pub.publish(data=f"{number} {msg.data}")
        return msg.data, iceway.copy(msg)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_multiprocessing(world, method):
    with iceway.connect() as bus:
        pub = bus.advertise("/work", STRING)
        with multiprocessing.get_context(method).Pool(2) as pool:
            results = [pool.apply_async(receive_in_worker, (number,)) for number in range(2)]
            while not all(result.ready() for result in results):
                pub.publish(data="job")
                time.sleep(0.01)
            # Copies travel by pickle.
            for result in results:
                text, msg = result.get()
                assert text == msg.data == "job"


def test_killed_receivers_give_their_memory_back(world, bus):
    pub = bus.advertise("/s", IMAGE)
    process = world.python(
        "import iceway, time\nfrom definitions import schema\n"
        "bus = iceway.connect()\nsub = bus.subscribe('/s', schema('sensor_msgs/Image'), depth=8)\n"
        "print('ready', flush=True)\nheld = [sub.recv(30) for _ in range(5)]\nprint('holding', flush=True)\n"
        "time.sleep(1000)\n"
    )
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    for number in range(5):
        pub.publish(data=np.full(1000, number, np.uint8))
        time.sleep(0.01)
    assert process.stdout.readline() == "holding\n", process.stderr.read()
    process.kill()
    process.wait()
    eventually(lambda: pub.subscribers == 0)
    for _ in range(300):
        pub.publish(data=bytes(1000))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs PYTHONSAFEPATH for a clean look")
def test_no_ros_in_this_process(bus):
    with open("/proc/self/maps") as maps:
        assert not any(name in line for line in maps for name in ("librcl", "librmw", "fastrtps", "fastdds", "rclpy"))
