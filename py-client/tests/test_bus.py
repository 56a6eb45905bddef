"""Receiving and publishing, with a real broker."""

import gc
import os
import select
import threading
import time

import numpy as np
import pytest

import iceway
from conftest import eventually
from definitions import schema

pytestmark = pytest.mark.broker
STRING, IMAGE = schema("std_msgs/String"), schema("sensor_msgs/Image")


@pytest.fixture
def other(world):
    """Another participant."""
    with iceway.connect(name="other") as other:
        yield other


def texts(sub):
    found = []
    while (msg := sub.try_recv()) is not None:
        found.append(msg.data)
    return found


def test_a_message_arrives_as_it_was_sent(bus, other):
    sub, pub = other.subscribe("/image", IMAGE), bus.advertise("/image", IMAGE)
    pixels = np.random.default_rng(1).integers(0, 256, (1080, 1920, 3), np.uint8)
    pub.publish(header={"frame_id": "cam", "stamp": {"sec": 3}}, **iceway.image_fields(pixels, "rgb8"))
    msg = sub.recv(5)
    np.testing.assert_array_equal(iceway.image(msg), pixels)
    assert (msg.header.frame_id, msg.header.stamp.sec) == ("cam", 3)
    info = iceway.info(msg)
    assert (info.topic, info.type, info.origin, info.seq) == ("/image", "sensor_msgs/msg/Image", "ai", 0)
    assert 0 < info.sent_ns <= info.woken_ns <= time.monotonic_ns()
    assert 0 < info.hop_s < 60
    assert abs(time.time_ns() - info.source_ns) < 60e9
    assert iceway.info(msg.header) == info
    assert "1080x1920 rgb8, seq 0" in repr(msg)
    assert repr(msg).endswith("old)")


def segment_of(array):
    """The name of the mapping that an array lies in."""
    address = array.__array_interface__["data"][0]
    with open("/proc/self/maps") as maps:
        for line in maps:
            start, _, end = line.split()[0].partition("-")
            if int(start, 16) <= address < int(end, 16):
                return line.split(maxsplit=5)[-1].strip()
    return None


def test_arrays_are_shared_memory_and_aligned(bus, other):
    sub, pub = other.subscribe("/image", IMAGE), bus.advertise("/image", IMAGE)
    for length in (0, 1, 5, 30):
        pub.publish(header={"frame_id": "x" * length}, data=bytes(10_000))
        array = sub.recv(5).data
        assert segment_of(array).startswith("/dev/shm/iceway_")
        assert array.ctypes.data % 64 == 0
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def test_depth_one_gives_the_newest(bus, other):
    sub, pub = other.subscribe("/s", STRING), bus.advertise("/s", STRING)
    for number in range(5):
        pub.publish(data=str(number))
    assert sub.recv(5).data == "4"
    assert sub.try_recv() is None
    stats = sub.stats
    assert stats["overflow"] + stats["delivered"] == 5
    assert (stats["delivered"], stats["alive"]) == (1, 0)


def test_depth_n_is_a_queue(bus, other):
    sub, pub = other.subscribe("/s", STRING, depth=3), bus.advertise("/s", STRING)
    for number in range(3):
        pub.publish(data=str(number))
    assert [sub.recv(5).data for _ in range(3)] == ["0", "1", "2"]
    for number in range(8):
        pub.publish(data=str(number))
    assert texts(sub) == ["5", "6", "7"]
    pub.publish(data="next")
    assert sub.recv(5).data == "next"
    assert sub.stats["overflow"] == 5
    assert sub.stats["delivered"] == 7


def test_spinning(bus, other):
    """It receives what the sleeping one does, ends at its timeout, and lets other threads run."""
    sub, pub = other.subscribe("/s", STRING, depth=64, wait="spin"), bus.advertise("/s", STRING)
    with pytest.raises(iceway.Timeout):
        sub.recv(0.01)
    got = []
    thread = threading.Thread(target=lambda: got.extend(sub.recv(30).data for _ in range(50)))
    thread.start()
    for number in range(50):
        pub.publish(data=str(number))
    thread.join(30)
    assert got == [str(number) for number in range(50)]
    with pytest.raises(iceway.InvalidOption, match="'sleep' or 'spin'"):
        other.subscribe("/s", STRING, wait="busy")
    ended = []

    def wait():
        with pytest.raises(iceway.Closed):
            sub.recv()
        ended.append(True)

    waiting = threading.Thread(target=wait)
    waiting.start()
    sub.close()
    waiting.join(30)
    assert ended == [True]


def test_latest(bus, other):
    sub, pub = other.subscribe("/s", STRING, depth=8), bus.advertise("/s", STRING)
    assert sub.latest() is None
    for number in range(4):
        pub.publish(data=str(number))
    assert eventually(sub.latest).data == "3"
    assert sub.latest().data == "3"
    assert sub.stats["skipped"] == 3
    assert sub.stats["delivered"] == 1
    assert sub.try_recv() is None
    pub.publish(data="4")
    assert sub.recv(5).data == "4"
    assert sub.latest().data == "4"
    iceway.release(sub.latest())
    assert sub.latest() is None


def test_latest_holds_nothing_before_it_is_used(bus, other):
    sub, pub = other.subscribe("/s", STRING, depth=8), bus.advertise("/s", STRING)
    pub.publish(data="a")
    sub.recv(5)
    assert sub.stats["alive"] == 0
    assert sub.latest() is None
    pub.publish(data="b")
    sub.recv(5)
    assert sub.stats["alive"] == 1
    assert sub.latest().data == "b"


def test_max_age(bus, other):
    sub = other.subscribe("/s", STRING, depth=8, max_age=0.2)
    fresh = other.subscribe("/s", STRING, depth=8, max_age=60)
    pub = bus.advertise("/s", STRING)
    pub.publish(data="old")
    sent = time.monotonic()
    eventually(lambda: time.monotonic() > sent + 0.25)
    pub.publish(data="new")
    assert sub.recv(5).data == "new"
    assert sub.stats["stale"] == 1
    assert fresh.recv(5).data == "old"


def test_timeouts(bus):
    sub = bus.subscribe("/s", STRING)
    for timeout in (0, 0.05):
        start = time.monotonic()
        with pytest.raises(iceway.Timeout, match=f"/s within {timeout:.2g}"):
            sub.recv(timeout)
        assert time.monotonic() - start >= timeout
    with pytest.raises(TimeoutError):
        sub.recv(timeout=0.01)


def test_iteration_ends_when_closed(bus, other):
    sub, pub = other.subscribe("/s", STRING, depth=8), bus.advertise("/s", STRING)
    for number in range(3):
        pub.publish(data=str(number))
    seen = []
    for msg in sub:
        seen.append(msg.data)
        if len(seen) == 3:
            sub.close()
    assert seen == ["0", "1", "2"]
    with pytest.raises(iceway.Closed, match="/s"):
        iter(sub)


def test_closing_ends_a_wait_in_another_thread(bus):
    sub = bus.subscribe("/s", STRING)
    ended = []

    def receive():
        try:
            sub.recv()
        except iceway.Closed as error:
            ended.append(error)

    thread = threading.Thread(target=receive)
    thread.start()
    eventually(lambda: thread.is_alive())
    sub.close()
    thread.join(20)
    assert len(ended) == 1


def test_waits_let_other_threads_run(bus, other):
    sub, pub = other.subscribe("/s", STRING), bus.advertise("/s", STRING)
    got = []
    thread = threading.Thread(target=lambda: got.append(sub.recv(30).data))
    thread.start()
    assert sum(range(1_000_000)) > 0
    pub.publish(data="x")
    thread.join(20)
    assert got == ["x"]


def test_file_descriptors(bus, other):
    sub, pub = other.subscribe("/s", STRING, depth=8), bus.advertise("/s", STRING)
    poll = select.poll()
    poll.register(sub.fileno(), select.POLLIN)
    assert texts(sub) == []
    assert poll.poll(0) == []
    for number in range(3):
        pub.publish(data=str(number))
    # Readable until everything is taken, however little is taken each time.
    seen = []
    while len(seen) < 3:
        assert poll.poll(5000)
        msg = sub.try_recv()
        if msg is not None:
            seen.append(msg.data)
    assert seen == ["0", "1", "2"]
    assert sub.try_recv() is None
    assert poll.poll(0) == []


def test_wait_for_any(bus, other):
    first, second = other.subscribe("/a", STRING, depth=4), other.subscribe("/b", STRING, depth=4)
    a, b = bus.advertise("/a", STRING), bus.advertise("/b", STRING)
    assert iceway.wait([first, second], timeout=0) == []
    assert iceway.wait([first, second], timeout=0.05) == []
    b.publish(data="b")
    assert iceway.wait([first, second], timeout=5) == [second]
    assert iceway.wait([first, second], timeout=5) == [second]  # nothing was taken
    a.publish(data="a")
    eventually(lambda: len(iceway.wait([first, second], timeout=5)) == 2)
    assert (first.try_recv().data, second.recv(0).data) == ("a", "b")
    assert iceway.wait([first, second], timeout=0) == []
    for number in range(3):
        a.publish(data=str(number))
    eventually(lambda: first._native.poll())
    assert texts(first) == ["0", "1", "2"]
    threading.Timer(0.05, a.publish, kwargs={"data": "late"}).start()
    assert iceway.wait([first, second], timeout=20) == [first]
    with pytest.raises(iceway.InvalidOption, match="nothing to wait for"):
        iceway.wait([])
    first.close()
    with pytest.raises(iceway.Closed):
        iceway.wait([first, second], 1)


def test_wait_with_depth_one_prefers_the_newest(bus, other):
    sub, pub = other.subscribe("/a", STRING), bus.advertise("/a", STRING)
    pub.publish(data="old")
    assert iceway.wait([sub], 5) == [sub]
    pub.publish(data="new")
    assert eventually(lambda: sub.recv(5).data == "new")
    stats = sub.stats
    assert (stats["delivered"], stats["overflow"]) == (1, 1)


def test_sync(bus, other):
    header = schema("std_msgs/Header")
    left, right = (other.subscribe(f"/{side}", header, depth=10) for side in ("left", "right"))
    to_left, to_right = (bus.advertise(f"/{side}", header) for side in ("left", "right"))
    both = iceway.sync([left, right], slop=0.01, stamp=lambda m: m.stamp.sec * 10**9 + m.stamp.nanosec)
    assert both.try_recv() is None
    with pytest.raises(iceway.Timeout, match="slop"):
        both.recv(0.05)
    for number in range(3):
        to_left.publish(stamp={"sec": number}, frame_id=f"l{number}")
        to_right.publish(stamp={"sec": number, "nanosec": 5_000_000 * number}, frame_id=f"r{number}")
    assert [m.frame_id for m in both.recv(5)] == ["l0", "r0"]
    assert [m.frame_id for m in next(both)] == ["l1", "r1"]
    with pytest.raises(iceway.Timeout):
        both.recv(0.05)  # 10 ms apart is too far for a slop of 10 ms
    assert "/left, /right" in repr(both)
    left.close()
    assert list(both) == []


def test_publishing_before_anyone_listens(bus, other):
    pub = bus.advertise("/s", STRING)
    assert pub.subscribers == 0
    pub.publish(data="nobody")
    sub = other.subscribe("/s", STRING)
    eventually(lambda: pub.subscribers == 1)
    pub.publish(data="somebody")
    assert sub.recv(5).data == "somebody"
    assert pub.stats["sent"] == 2


def test_no_message_is_lost_after_advertise_returned(bus, other):
    # A receiver that is busy elsewhere is connected before the first message.
    sub = other.subscribe("/s", STRING, depth=8)
    pub = bus.advertise("/s", STRING)
    pub.publish(data="first")
    assert sub.recv(5).data == "first"


def test_own_messages_are_not_received(bus):
    sub, pub = bus.subscribe("/s", STRING), bus.advertise("/s", STRING)
    pub.publish(data="x")
    with pytest.raises(iceway.Timeout):
        sub.recv(0.2)


def test_whole_messages_are_sent_on(bus, other):
    first, second = other.subscribe("/a", IMAGE), other.subscribe("/b", IMAGE)
    a, b = bus.advertise("/a", IMAGE), bus.advertise("/b", IMAGE)
    a.publish(height=3, data=np.arange(200, dtype=np.uint8))
    got = first.recv(5)
    b.publish(got, cause=got)
    again = second.recv(5)
    assert again == got
    assert again.data.ctypes.data % 64 == 0
    assert iceway.info(again).cause_ns == iceway.info(got).source_ns
    b.publish(iceway.copy(got))
    assert second.recv(5) == got
    b.publish({"height": 7})
    assert second.recv(5).height == 7
    with pytest.raises(iceway.TypeMismatch, match=r"sensor_msgs/msg/Image.*std_msgs/msg/Header"):
        b.publish(got.header)
    with pytest.raises(iceway.InvalidOption, match="not both"):
        b.publish(got, height=3)
    iceway.release(got)
    with pytest.raises(iceway.Released):
        b.publish(got)


def test_messages_go_on_between_processes(world, bus):
    sub = bus.subscribe("/out", IMAGE)
    world.run(
        "import iceway\nfrom definitions import schema\n"
        "with iceway.connect() as bus:\n"
        "    bus.advertise('/out', schema('sensor_msgs/Image')).publish(height=5, data=range(100))\n"
    )
    # The process is gone; its message is not.
    msg = sub.recv(10)
    assert (msg.height, msg.data.tolist()) == (5, list(range(100)))


def test_options_of_publishing(bus, other):
    kind = iceway.Schema("demo_msgs/msg/Options", "string cause\nstring casting\nstring timeout\nfloat32[] values")
    sub, pub = other.subscribe("/s", kind), bus.advertise("/s", kind)
    pub.publish(
        cause="c", casting="k", timeout="t", values=np.zeros(2), cause_=17, casting_="same_kind", timeout_=0.5
    )
    msg = sub.recv(5)
    assert (msg.cause, msg.casting, msg.timeout, len(msg.values)) == ("c", "k", "t", 2)
    assert iceway.info(msg).cause_ns == 17
    plain = bus.advertise("/p", STRING)
    for bad in ({"cause": "x"}, {"timeout": "x"}, {"timeout": -1}, {"casting": 3}, {"casting": "unsafe"}):
        with pytest.raises(iceway.InvalidOption, match=next(iter(bad))):
            plain.publish(data="x", **bad)
    plain.publish(data="x", cause=None)


class TestLoans:
    @pytest.fixture
    def ends(self, bus, other):
        return other.subscribe("/image", IMAGE, depth=4), bus.advertise("/image", IMAGE)

    def test_filled_in_place(self, ends):
        sub, pub = ends
        pixels = np.random.default_rng(2).integers(0, 256, (48, 64, 3), np.uint8)
        with pub.loan(
            height=48, width=64, encoding="rgb8", step=192, data=pixels.size, header={"frame_id": "f"}
        ) as msg:
            view = iceway.image(msg)
            assert segment_of(view).startswith("/dev/shm/iceway_")
            assert msg.data.ctypes.data % 64 == 0
            view[...] = pixels
            msg.header.stamp.sec = 7
            flat, part = msg.data, msg.data[10:20]
            assert sub.try_recv() is None
        got = sub.recv(5)
        np.testing.assert_array_equal(iceway.image(got), pixels)
        assert (got.header.frame_id, got.header.stamp.sec) == ("f", 7)
        for array in (flat, view):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.flags.writeable = True
        part[0] = 1  # a slice from inside is the user's own affair, but never a crash
        with pytest.raises(iceway.LoanError, match="has ended"):
            msg.height  # noqa: B018
        with pytest.raises(iceway.LoanError):
            msg.height = 3
        assert "unreadable" in repr(msg)

    def test_not_sent_if_the_block_raises(self, ends):
        sub, pub = ends
        with pytest.raises(ZeroDivisionError), pub.loan(height=1) as msg:
            array = msg.data
            raise ZeroDivisionError
        pub.publish(height=2)
        got = sub.recv(5)
        assert (got.height, iceway.info(got).seq) == (2, 0)
        assert array.size == 0

    def test_structured_and_other_arrays(self, bus, other):
        kind = schema("demo_msgs/Zoo")
        sub, pub = other.subscribe("/zoo", kind), bus.advertise("/zoo", kind)
        with pub.loan(points=3, f32s=4, flags=2, texts=["a", "b"], headers=2, u16s=[1, 2, 3]) as msg:
            msg.points["x"] = [1, 2, 3]
            msg.points["y"] = msg.points["z"] = 0
            msg.f32s[:] = 0.5
            assert msg.flags.tolist() == [False, False]
            msg.flags[1] = True
            msg.headers[1].stamp.sec = 9
            msg.flag = True
        got = sub.recv(5)
        assert got.points["x"].tolist() == [1, 2, 3]
        assert got.f32s.tolist() == [0.5] * 4
        assert got.flags.tolist() == [False, True]
        assert got.texts == ["a", "b"]
        assert [h.stamp.sec for h in got.headers] == [0, 9]
        assert got.flag is True
        kind.validate(pub.schema.encode(got))

    def test_order_is_checked(self, ends):
        sub, pub = ends
        loan = pub.loan(data=3)
        with loan as msg:
            msg.data[:] = 1
            with pytest.raises(iceway.LoanError, match="nested"), pub.loan(data=3):
                pass
            pub.publish(height=1)  # publishing meanwhile is fine
        with pytest.raises(iceway.LoanError, match="one message"), loan:
            pass
        assert [sub.recv(5).height, sub.recv(5).data.tolist()] == [1, [1, 1, 1]]
        with pub.loan(data=1):
            pass
        assert len(sub.recv(5).data) == 1

    def test_wrong_fields(self, ends):
        _, pub = ends
        for fields, error in [
            ({"nope": 1}, iceway.UnknownField),
            ({"data": -1}, iceway.FieldValueError),
            ({"data": True}, iceway.FieldTypeError),
            ({"data": 1.5}, iceway.FieldTypeError),
            ({"data": 2**40}, iceway.TooLarge),
            ({"height": "a"}, iceway.FieldTypeError),
        ]:
            with pytest.raises(error):
                pub.loan(**fields)
        with pytest.raises(iceway.TooLarge, match="max_message_bytes"), pub.loan(data=2**31):
            pass
        with pub.loan(data=3) as msg:
            for name, value, error in [
                ("data", [1, 2], iceway.FieldValueError),
                ("data", np.zeros(3), iceway.FieldTypeError),
                ("encoding", "longer", iceway.LoanError),
                ("nope", 1, iceway.UnknownField),
                ("height", -1, iceway.FieldValueError),
            ]:
                with pytest.raises(error):
                    setattr(msg, name, value)
            msg.data = [1, 2, 3]

    def test_a_block_that_is_never_left(self, ends):
        sub, pub = ends
        loan = pub.loan(data=10)
        msg = loan.__enter__()
        array = msg.data
        array[:] = 1
        del loan
        gc.collect()
        assert not array.flags.writeable
        with pytest.raises(iceway.LoanError):
            msg.data  # noqa: B018
        with pub.loan(data=2) as msg:
            msg.data[:] = 2
        assert sub.recv(5).data.tolist() == [2, 2]
        assert sub.try_recv() is None

    def test_arrays_outlive_everything(self, world):
        with iceway.connect() as bus:
            pub = bus.advertise("/image", IMAGE)
            with pub.loan(data=100_000) as msg:
                array, part = msg.data, msg.data[::2]
            del msg
            pub.close()
        del pub, bus
        assert array.sum() >= 0
        part[:] = 1
        assert part.sum() == 50_000


def test_stats_and_topics_of_the_broker(bus, other):
    sub, pub = other.subscribe("/s", STRING), bus.advertise("/s", STRING)
    (topic,) = [topic for topic in bus.topics() if topic.name == "/s"]
    assert topic == iceway.Topic("/s", ("std_msgs/msg/String",), 0, 0, 1, 1, True)
    (route,) = [route for route in bus.stats()["routes"] if route["topic"] == "/s"]
    assert route["type"] == "std_msgs/msg/String"
    assert bus.broker()["pid"] > 0
    assert (sub.closed, pub.closed) == (False, False)
    assert bus.notices() == []
    assert bus.broker_alive


def test_objects_introduce_themselves(bus, world):
    sub, pub = bus.subscribe("/s", STRING), bus.advertise("/s", STRING)
    assert repr(bus) == f"<iceway.Bus of domain {world.domain}, connected>"
    assert repr(sub) == "<iceway.Subscription to /s (std_msgs/msg/String), depth 1>"
    assert repr(pub) == "<iceway.Publisher of /s (std_msgs/msg/String)>"
    assert (sub.topic, sub.type, sub.depth, pub.topic, pub.type) == (
        "/s", "std_msgs/msg/String", 1, "/s", "std_msgs/msg/String",
    )  # fmt: skip
    assert sub.schema == STRING
    assert pub.schema == STRING
    bus.close()
    assert repr(bus) == f"<iceway.Bus of domain {world.domain}, closed>"
    assert "closed" in repr(sub)
    assert "closed" in repr(pub)


def test_closing_gives_back_what_was_in_shared_memory(bus, world):
    """Not only when the last object is freed."""

    def files():
        return len(world.left_behind()) + sum(len(names) for _, _, names in os.walk(world.folder))

    before = files()
    other = iceway.connect()
    sub, pub = other.subscribe("/s", STRING), other.advertise("/s", STRING)
    assert files() > before
    other.close()
    eventually(lambda: files() <= before)
    assert (other.closed, sub.closed, pub.closed) == (True, True, True)


def test_threads_share_everything(bus, other):
    sub = other.subscribe("/s", STRING, depth=200)
    pub = bus.advertise("/s", STRING)
    got, errors = [], []

    def publish(name):
        try:
            for number in range(25):
                pub.publish(data=f"{name} {number}")
        except iceway.Error as error:
            errors.append(error)

    def receive():
        try:
            while True:
                got.append(sub.recv(3).data)
        except iceway.Timeout:
            pass

    threads = [threading.Thread(target=publish, args=(name,)) for name in "abcd"]
    threads += [threading.Thread(target=receive) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert sorted(got) == sorted(f"{name} {number}" for name in "abcd" for number in range(25))


def test_nothing_is_left_behind(empty_world):
    world = empty_world
    world.start_broker()
    with iceway.connect() as bus:
        sub, pub = bus.subscribe("/s", STRING), bus.advertise("/s", STRING)
        pub.publish(data="x")
        fds = len(os.listdir("/proc/self/fd"))
    assert len(os.listdir("/proc/self/fd")) < fds
    del bus, sub, pub
    world.end()
    assert world.left_behind() == []
