"""Every misuse has an error of the family, whose text says what to do."""

import numpy as np
import pytest

import iceway
from definitions import make, schema

pytestmark = pytest.mark.broker
STRING = schema("std_msgs/String")


def test_no_broker(empty_world):
    with pytest.raises(iceway.NoBroker, match=f"iceway run --domain {empty_world.domain}") as caught:
        iceway.connect(timeout=0.1)
    assert isinstance(caught.value, ConnectionError)
    with pytest.raises(iceway.NoBroker):
        iceway.connect(empty_world.domain + 1, timeout=0)


@pytest.mark.parametrize(
    ("variable", "value"), [("ICEWAY_DOMAIN", "x"), ("ICEWAY_DOMAIN", "-1"), ("ROS_DOMAIN_ID", "1.5")]
)
def test_domains_that_are_none(empty_world, monkeypatch, variable, value):
    monkeypatch.delenv("ICEWAY_DOMAIN")
    monkeypatch.setenv(variable, value)
    with pytest.raises(iceway.InvalidOption, match=variable):
        iceway.connect(timeout=0)
    with pytest.raises(iceway.InvalidOption, match="domain"):
        iceway.connect(-3, timeout=0)


def test_domains_by_precedence(empty_world, monkeypatch):
    from iceway._bus import _domain

    assert _domain(None) == empty_world.domain
    assert _domain(5) == 5
    monkeypatch.setenv("ICEWAY_DOMAIN", "")
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    assert _domain(None) == 7
    monkeypatch.delenv("ROS_DOMAIN_ID")
    assert _domain(None) == 0


def test_roots_that_are_too_long(empty_world, monkeypatch):
    monkeypatch.setenv("ICEWAY_ROOT", "/tmp/" + "x" * 100)
    with pytest.raises(iceway.InvalidOption, match="ICEWAY_ROOT"):
        iceway.connect(timeout=0)


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf")])
def test_timeouts_that_are_none(world, timeout):
    with pytest.raises(iceway.InvalidOption, match="timeout"):
        iceway.connect(timeout=timeout)
    with iceway.connect() as bus:
        sub = bus.subscribe("/s", STRING)
        if timeout != float("inf"):
            with pytest.raises(iceway.InvalidOption, match="timeout"):
                sub.recv(timeout)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 0}, "at least 1"),
        ({"depth": -1}, "at least 1"),
        ({"depth": 1.5}, "depth is 1.5"),
        ({"depth": True}, "depth is True"),
        ({"depth": "3"}, "depth is '3'"),
        ({"max_age": -1}, "max_age"),
        ({"qos": "reliable"}, r"iceway\.QoS"),
        ({"qos": {"reliabilty": "reliable"}}, "reliabilty"),
        ({"qos": {"reliability": "so so"}}, "so so"),
        ({"timeout": -1}, "timeout"),
    ],
)
def test_options_that_make_no_sense(bus, options, words):
    with pytest.raises(iceway.InvalidOption, match=words):
        bus.subscribe("/s", STRING, **options)


def test_names_that_are_wrong(bus):
    for name in ("/a b", "", "/", "/1a", "//a", "/a/"):
        with pytest.raises(iceway.InvalidName):
            bus.subscribe(name, STRING)
    for name in (None, 3, b"/a"):
        with pytest.raises(iceway.InvalidOption, match="a topic is a text"):
            bus.subscribe(name, STRING)
    for kind in ("String", "a/b/c", ""):
        with pytest.raises(iceway.InvalidName):
            bus.subscribe("/s", kind)
    with pytest.raises(iceway.InvalidOption, match="a type is"):
        bus.subscribe("/s", 3)
    with pytest.raises(iceway.InvalidOption, match="the type of a topic"):
        bus.advertise("/s", None)
    with pytest.raises(iceway.InvalidOption, match="definition needs"):
        bus.subscribe("/s", definition="int32 a")


def test_topics_and_types_that_are_unknown(bus):
    with pytest.raises((iceway.UnknownTopic, iceway.NoRos)):
        bus.subscribe("/nobody", timeout=0.1)
    with pytest.raises((iceway.UnknownType, iceway.NoRos), match="nobody_msgs/msg/Nothing"):
        bus.subscribe("/s", "nobody_msgs/msg/Nothing", timeout=0.1)
    with pytest.raises((iceway.UnknownType, iceway.NoRos)):
        bus.schema("nobody_msgs/msg/Nothing")


def test_two_types_on_one_topic(bus):
    bus.subscribe("/s", STRING)
    with pytest.raises(iceway.TypeMismatch, match=r"std_msgs/msg/(String|Header).*std_msgs/msg/(String|Header)"):
        bus.advertise("/s", schema("std_msgs/Header"))
    with pytest.raises(iceway.TypeMismatch, match="differs"):
        bus.advertise("/s", "std_msgs/msg/String", definition="int32 data")


def test_closed_objects(bus):
    sub, pub = bus.subscribe("/s", STRING), bus.advertise("/s", STRING)
    other = bus.subscribe("/t", STRING)
    sub.close()
    sub.close()
    for call in (sub.recv, sub.try_recv, sub.latest, sub.fileno, lambda: sub.stats, lambda: iter(sub)):
        with pytest.raises(iceway.Closed, match="/s"):
            call()
    pub.close()
    pub.close()
    for call in (pub.publish, pub.loan, lambda: pub.stats):
        with pytest.raises(iceway.Closed, match="/s"):
            call()
    bus.close()
    bus.close()
    assert bus.closed
    assert other.closed
    for call in (bus.topics, bus.stats, lambda: bus.subscribe("/s"), lambda: bus.advertise("/s", STRING), other.recv):
        with pytest.raises(iceway.Closed):
            call()


def test_a_publisher_closed_inside_a_loan(bus):
    pub = bus.advertise("/s", schema("sensor_msgs/Image"))
    with pytest.raises(iceway.Closed), pub.loan(data=10) as msg:
        array = msg.data
        pub.close()
        array[:] = 1
    assert not array.flags.writeable


def test_what_does_not_fit(bus):
    pub = bus.advertise("/image", schema("sensor_msgs/Image"))
    sent = pub.stats["sent"]
    for fields, error in [
        ({"nope": 1}, iceway.UnknownField),
        ({"height": "tall"}, iceway.FieldTypeError),
        ({"height": -1}, iceway.FieldValueError),
        ({"data": np.zeros(3)}, iceway.FieldTypeError),
        ({"data": 3}, iceway.FieldTypeError),
        ({"header": {"stamp": 3}}, iceway.FieldTypeError),
        ({"data": np.broadcast_to(np.uint8(0), 2**31)}, iceway.TooLarge),
    ]:
        with pytest.raises(error):
            pub.publish(**fields)
    assert pub.stats["sent"] == sent
    pub.publish(height=1)
    assert pub.stats["sent"] == sent + 1


def test_errors_say_what_to_do(bus, world):
    """One line per misuse: the error, and the words that lead out of it."""
    image, text = schema("sensor_msgs/Image"), bus.subscribe("/s", STRING)
    pub = bus.advertise("/image", image)

    def used_after_it_was_sent():
        with pub.loan(data=4) as msg:
            pass
        msg.height = 1

    def nested():
        with pub.loan(data=4), pub.loan(data=4):
            pass

    def closed():
        sub = bus.subscribe("/closed", STRING)
        sub.close()
        sub.recv()

    for call, error, words in [
        (lambda: bus.subscribe("/nobody", timeout=0.1), iceway.UnknownTopic, ["iceway topics", "pass the type"]),
        (
            lambda: bus.subscribe("/n", "a_msgs/msg/B", timeout=0.1),
            iceway.NoRos,
            ["definition", "a broker that has ROS"],
        ),
        (lambda: bus.advertise("/s", schema("std_msgs/Header")), iceway.TypeMismatch, ["a topic has one type"]),
        (lambda: pub.publish(elevation=1), iceway.UnknownField, ['"elevation"', "its fields are: header, height"]),
        (lambda: pub.publish(height="a"), iceway.FieldTypeError, ["height: expected uint32, got str"]),
        (lambda: text.recv(0.01), iceway.Timeout, ["iceway topics", "bus.notices()", "QoS"]),
        (used_after_it_was_sent, iceway.LoanError, ["inside the with block", "get a new loan"]),
        (nested, iceway.LoanError, ["cannot be nested", "Leave its with block first"]),
        (closed, iceway.Closed, ["make a new one"]),
        (lambda: bus.subscribe("/s", STRING, depth=-1), iceway.InvalidOption, ["at least 1 message"]),
    ]:
        with pytest.raises(error) as caught:
            call()
        assert isinstance(caught.value, iceway.Error)
        for word in words:
            assert word in str(caught.value)
    world.kill_broker()
    with pytest.raises(iceway.BrokerGone) as gone:
        pub.publish(height=1, timeout=0.1)
    assert "start one (`iceway run`)" in str(gone.value)
    with pytest.raises(iceway.NoBroker, match=f"iceway run --domain {world.domain}"):
        iceway.connect(timeout=0.1)


def test_messages_that_are_too_large(bus, world):
    with iceway.connect() as other:
        sub = other.subscribe("/image", schema("sensor_msgs/Image"))
        pub = bus.advertise("/image", schema("sensor_msgs/Image"))
        with pytest.raises(iceway.TooLarge, match="max_message_bytes") as caught:
            pub.publish(data=np.zeros(65 << 20, np.uint8))
        assert isinstance(caught.value, ValueError)
        assert pub.stats["dropped"] == 1
        pub.publish(height=3)
        assert sub.recv(5).height == 3
        assert sub.stats["writer_drops"] == 1


def test_the_borrow_limit(empty_world):
    config = empty_world.folder / "iceway.toml"
    config.write_text("[limits]\nborrowed = 4\n")
    empty_world.start_broker("--config", str(config))
    with iceway.connect() as bus, iceway.connect() as other:
        sub, pub = other.subscribe("/s", STRING, depth=8), bus.advertise("/s", STRING)
        held = []
        with pytest.raises(iceway.BorrowLimit) as caught:
            for number in range(20):
                pub.publish(data=str(number))
                held.append(sub.recv(5))
        text = str(caught.value)
        assert str(len(held)) in text
        assert all(word in text for word in ("iceway.release", "iceway.copy", "borrowed"))
        assert sub.stats["alive"] == len(held)
        assert sub.stats["borrow_limit"] >= 1
        # Nothing is lost, and it goes on as soon as one is given back.
        expected = str(len(held))
        iceway.release(held.pop(0))
        assert sub.recv(5).data == expected
        kept = [iceway.copy(msg) for msg in held]
        held.clear()
        for number in range(30):
            pub.publish(data=str(number))
            kept.append(iceway.copy(sub.recv(5)))
        assert kept[-1].data == "29"


def test_broken_messages(world):
    with iceway.connect() as bus, iceway.connect() as other:
        sub, pub = other.subscribe("/s", STRING, depth=8), bus.advertise("/s", STRING)
        for bad in (b"\0\1\0\0\xff\xff\xff\x7f", b"\0\1\0\0", b"\0\7\0\0abcdefgh"):
            pub._publish_unchecked(bad)
            msg = sub.recv(5)
            with pytest.raises(iceway.MalformedMessage, match="std_msgs/msg/String"):
                msg.data  # noqa: B018
            assert "unreadable" in repr(msg)


def test_every_error_is_of_the_family():
    errors = [
        value for name, value in vars(iceway).items() if isinstance(value, type) and issubclass(value, Exception)
    ]
    assert len(errors) > 25
    for error in errors:
        assert issubclass(error, iceway.Error)
        assert error.__module__ == "iceway"
        assert error.__name__ in iceway.__all__
        assert error.__doc__
    assert issubclass(iceway.Timeout, TimeoutError)


def test_received_messages_cannot_be_written_to(world):
    with iceway.connect() as bus, iceway.connect() as other:
        sub, pub = (
            other.subscribe("/p", schema("geometry_msgs/PoseArray")),
            bus.advertise("/p", schema("geometry_msgs/PoseArray")),
        )
        pub.publish(poses=[{}] * 3)
        msg = sub.recv(5)
        with pytest.raises(iceway.ReadOnly, match=r"iceway\.copy"):
            msg.header.frame_id = "x"
        with pytest.raises(ValueError, match="read-only"):
            msg.poses["position"]["x"] = 1
        with pytest.raises(iceway.ReadOnly):
            msg.poses = make("geometry_msgs/PoseArray").poses
