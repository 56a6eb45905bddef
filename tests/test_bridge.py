"""The main job between real processes: ROS nodes ↔ broker ↔ AI processes."""

import hashlib
import signal

import numpy as np
import pytest

import iceway

MB = 1 << 20


def expected_digest(number, size):
    return hashlib.sha256(bytes([number % 251]) * size).hexdigest()


def publish_images(peer, topic, sizes, start=0):
    """Publishes one image of each size; the n-th says its number and is filled with it."""
    peer.do(f"for number, size in enumerate({list(sizes)}, {start}): peer.publishers['{topic}'].publish(image(number, size))")


def test_ros_to_python(world):
    world.broker()
    peer = world.ros_peer()
    peer.do("peer.advertise('/image', 'sensor_msgs/msg/Image')")
    with iceway.connect() as bus:
        sub = bus.subscribe("/image", depth=16)
        assert peer.get("peer.matched('/image')")
        publish_images(peer, "/image", [0, 1, 1000, 100_000, 3 * MB])
        for number, size in enumerate([0, 1, 1000, 100_000, 3 * MB]):
            msg = sub.recv(timeout=20)
            assert msg.header.frame_id == str(number)
            assert (msg.width, msg.encoding, msg.data.shape) == (size, "mono8", (size,))
            assert hashlib.sha256(msg.data).hexdigest() == expected_digest(number, size)
            assert not msg.data.flags.writeable
            info = iceway.info(msg)
            assert (info.topic, info.type) == ("/image", "sensor_msgs/msg/Image")
            assert 0 < info.source_ns <= info.received_ns <= info.taken_ns
            assert 0 < info.sent_ns <= info.woken_ns


def test_python_to_ros(world):
    world.broker()
    peer = world.ros_listener("/points", "geometry_msgs/msg/PolygonStamped", keep="lambda m: [m.header.frame_id, [[p.x, p.y, p.z] for p in m.polygon.points]]", depth=32)
    with iceway.connect() as bus:
        pub = bus.advertise("/points", "geometry_msgs/msg/PolygonStamped")
        points = np.arange(12, dtype=np.float32).reshape(4, 3)
        structured = np.array([tuple(p) for p in points], dtype=[("x", "f4"), ("y", "f4"), ("z", "f4")])
        for number in range(20):
            pub.publish(header={"frame_id": str(number)}, polygon={"points": structured})
        peer.wait_until("len(peer.received['/points']) >= 20")
    assert peer.get("peer.received['/points']") == [[str(n), points.tolist()] for n in range(20)]


def test_nothing_is_echoed(world):
    """A Python process that subscribes and publishes on one topic gets ROS's messages, and not its own back through ROS."""
    world.broker()
    peer = world.ros_peer()
    peer.do("peer.advertise('/chat', 'std_msgs/msg/String'); peer.subscribe('/chat', 'std_msgs/msg/String', keep=lambda m: m.data)")
    with iceway.connect() as bus:
        sub = bus.subscribe("/chat", "std_msgs/msg/String", depth=32)
        pub = bus.advertise("/chat", "std_msgs/msg/String")
        assert peer.get("peer.matched('/chat', 2)")  # its own subscription and the broker's
        pub.publish(data="from python")
        peer.wait_until("'from python' in peer.received['/chat']")
        peer.do("peer.publishers['/chat'].publish(message('std_msgs/msg/String')(data='from ros'))")
        assert sub.recv(timeout=20).data == "from ros"
        peer.do("peer.publishers['/chat'].publish(message('std_msgs/msg/String')(data='end'))")
        assert sub.recv(timeout=20).data == "end"
        peer.wait_until("'end' in peer.received['/chat']")
    assert peer.get("peer.received['/chat']") == ["from python", "from ros", "end"]


def test_publish_and_exit_at_once(world):
    """A process that advertises, publishes and exits reaches a ROS node that is there."""
    world.broker()
    peer = world.ros_listener("/once", "std_msgs/msg/String", keep="lambda m: m.data")
    code = "import iceway\nwith iceway.connect() as bus:\n    bus.advertise('/once', 'std_msgs/msg/String').publish(data='gone')"
    result = world.run(world.python, "-c", code)
    assert result.returncode == 0, result.stderr
    peer.wait_until("peer.received['/once'] == ['gone']")


@pytest.mark.parametrize("reliable", [True, False], ids=["reliable", "best_effort"])
def test_reliability_follows_the_publisher(world, reliable):
    world.broker()
    peer = world.ros_peer()
    peer.do(f"peer.advertise('/n', 'std_msgs/msg/Int32', reliable={reliable})")
    with iceway.connect() as bus:
        sub = bus.subscribe("/n", depth=64)
        assert peer.get("peer.matched('/n')")
        offered = peer.get("str(node.get_subscriptions_info_by_topic('/n')[0].qos_profile.reliability.name)")
        assert offered == ("RELIABLE" if reliable else "BEST_EFFORT")
        peer.do("for n in range(50): peer.publishers['/n'].publish(message('std_msgs/msg/Int32')(data=n))")
        seen = [sub.recv(timeout=20).data]
        while seen[-1] != 49:
            seen.append(sub.recv(timeout=20).data)
        assert len(seen) + sub.stats["lost_before"] == 50
        assert seen == sorted(set(seen))
        assert not reliable or seen == list(range(50))


def test_a_weaker_publisher_that_comes_later_is_heard(world):
    world.broker()
    strong, weak = world.ros_peer(), world.ros_peer()
    strong.do("peer.advertise('/n', 'std_msgs/msg/Int32', reliable=True)")
    with iceway.connect() as bus:
        sub = bus.subscribe("/n", depth=64)
        assert strong.get("peer.matched('/n')")
        weak.do("peer.advertise('/n', 'std_msgs/msg/Int32', reliable=False)")
        assert weak.get("peer.matched('/n')"), "the broker did not weaken its subscription"
        weak.do("peer.publishers['/n'].publish(message('std_msgs/msg/Int32')(data=7))")
        assert sub.recv(timeout=20).data == 7


@pytest.mark.parametrize("order", ["publisher_first", "client_first"])
def test_latched_topics_reach_late_joiners(world, order):
    world.broker()
    peer = world.ros_peer()
    advertise = "peer.advertise('/map', 'std_msgs/msg/String', depth=2, latched=True)"
    publish = "for text in ('old', 'older map', 'map'): peer.publishers['/map'].publish(message('std_msgs/msg/String')(data=text))"
    if order == "publisher_first":
        peer.do(advertise)
        peer.do(publish)
    with iceway.connect() as bus:
        sub = bus.subscribe("/map", "std_msgs/msg/String", depth=10)
        if order == "client_first":
            peer.do(advertise)
            assert peer.get("peer.matched('/map')")
            peer.do(publish)
        seen = [sub.recv(timeout=20).data]
        while seen[-1] != "map":
            seen.append(sub.recv(timeout=20).data)
        # The publisher keeps two; who is there from the start hears all.
        assert seen == (["older map", "map"] if order == "publisher_first" else ["old", "older map", "map"])
        # Late joiners: another subscription here, and another process.
        # They get what the publisher keeps; "old" too, if the broker knew in time that the topic is latched.
        late = bus.subscribe("/map", depth=10)
        kept = [late.recv(timeout=20).data]
        while kept[-1] != "map":
            kept.append(late.recv(timeout=20).data)
        assert kept[-2:] == ["older map", "map"]
        ai = world.ai()
        ai.do("late = bus.subscribe('/map', depth=10)")
        assert ai.get(f"[late.recv(timeout=20).data for _ in range({len(kept)})]") == kept
        # Who was there before gets nothing twice.
        assert sub.try_recv() is None


def test_latched_python_publisher_reaches_late_ros_and_late_python(world):
    world.broker()
    with iceway.connect() as bus:
        pub = bus.advertise("/map", "std_msgs/msg/String", qos={"durability": "transient_local", "depth": 1})
        pub.publish(data="map")
        peer = world.ros_peer()
        peer.do("peer.subscribe('/map', 'std_msgs/msg/String', keep=lambda m: m.data, depth=1, latched=True)")
        peer.wait_until("peer.received['/map'] == ['map']")
        ai = world.ai()
        ai.do("late = bus.subscribe('/map', 'std_msgs/msg/String')")
        assert ai.get("late.recv(timeout=20).data") == "map"


def test_large_and_tiny_messages_on_one_topic(world):
    world.broker()
    peer = world.ros_peer()
    peer.do("peer.advertise('/image', 'sensor_msgs/msg/Image')")
    sizes = [10, 25 * MB, 10, 25 * MB, 1, 5 * MB]
    with iceway.connect() as bus:
        sub = bus.subscribe("/image", depth=16)
        assert peer.get("peer.matched('/image')")
        publish_images(peer, "/image", sizes)
        for number, size in enumerate(sizes):
            msg = sub.recv(timeout=30)
            assert msg.header.frame_id == str(number)
            assert hashlib.sha256(msg.data).hexdigest() == expected_digest(number, size)


def test_large_message_back_to_ros(world):
    world.broker()
    peer = world.ros_listener("/image", "sensor_msgs/msg/Image", keep="lambda m: [m.width, digest(m.data)]")
    with iceway.connect() as bus:
        pub = bus.advertise("/image", "sensor_msgs/msg/Image")
        with pub.loan(height=1, width=25 * MB, encoding="mono8", step=25 * MB, data=25 * MB) as msg:
            msg.data[...] = 77
        peer.wait_until("peer.received['/image']", timeout=30)
    assert peer.get("peer.received['/image']") == [[25 * MB, expected_digest(77, 25 * MB)]]


def test_the_largest_array_lies_on_a_64_byte_boundary(world):
    world.broker()
    peer = world.ros_peer()
    peer.do("peer.advertise('/image', 'sensor_msgs/msg/Image')")
    with iceway.connect() as bus:
        sub = bus.subscribe("/image", depth=16)
        assert peer.get("peer.matched('/image')")
        publish_images(peer, "/image", [640 * 480] * 4)
        addresses = [sub.recv(timeout=20).data.__array_interface__["data"][0] for _ in range(4)]
        # The place is learned from the first frame.
        assert [a % 64 for a in addresses[1:]] == [0, 0, 0]


def test_two_ai_processes_on_one_topic(world):
    world.broker()
    peer = world.ros_peer()
    peer.do("peer.advertise('/n', 'std_msgs/msg/Int32')")
    with iceway.connect() as bus:
        sub = bus.subscribe("/n", depth=64)
        ai = world.ai()
        ai.do("sub = bus.subscribe('/n', depth=64)")
        assert peer.get("peer.matched('/n')")
        peer.do("for n in range(30): peer.publishers['/n'].publish(message('std_msgs/msg/Int32')(data=n))")
        assert [sub.recv(timeout=20).data for _ in range(30)] == list(range(30))
        assert ai.get("[sub.recv(timeout=20).data for _ in range(30)]") == list(range(30))
        # One of them goes; the other goes on.
        ai.kill()
        peer.do("peer.publishers['/n'].publish(message('std_msgs/msg/Int32')(data=30))")
        assert sub.recv(timeout=20).data == 30


def test_ai_to_ai_and_to_ros_at_once(world):
    """A detector's output reaches a tracker in another AI process directly, and ROS too."""
    world.broker()
    peer = world.ros_listener("/features", "std_msgs/msg/Float32MultiArray", keep="lambda m: sum(m.data)")
    ai = world.ai()
    ai.do("sub = bus.subscribe('/features', 'std_msgs/msg/Float32MultiArray', depth=16)")
    with iceway.connect() as bus:
        pub = bus.advertise("/features", "std_msgs/msg/Float32MultiArray")
        for number in range(10):
            pub.publish(data=np.full(1000, number, np.float32))
        assert ai.get("[float(sub.recv(timeout=20).data.sum()) for _ in range(10)]") == [1000.0 * n for n in range(10)]
        peer.wait_until("len(peer.received['/features']) >= 10")
    assert peer.get("peer.received['/features']") == [1000.0 * n for n in range(10)]


def test_ai_to_ai_without_ros(world):
    """The broker without its ROS side: two AI processes exchange messages of a type that they define."""
    world.broker(ros=False)
    definition = "float32[] values\nstring label"
    ai = world.ai()
    ai.do(f"sub = bus.subscribe('/embedding', 'demo_msgs/msg/Embedding', definition={definition!r}, depth=4)")
    with iceway.connect() as bus:
        pub = bus.advertise("/embedding", "demo_msgs/msg/Embedding", definition=definition)
        pub.publish(values=np.array([1, 2, 3], np.float32), label="x")
        ai.do("msg = sub.recv(timeout=20)")
        assert ai.get("[msg.values.tolist(), msg.label]") == [[1, 2, 3], "x"]


def test_ai_publisher_that_ends_at_once_reaches_ai_processes(world):
    """A writer that closes right after its first message: receivers in other processes have it all the same."""
    world.broker(ros=False)
    receivers = [world.ai(), world.ai()]
    definition = "int32 data"
    for ai in receivers:
        ai.do(f"sub = bus.subscribe('/n', 'demo_msgs/msg/Number', definition={definition!r}, depth=64)")
    with iceway.connect() as bus:
        for n in range(30):
            with bus.advertise("/n", "demo_msgs/msg/Number", definition=definition) as pub:
                pub.publish(data=n)
    code = f"import iceway\nwith iceway.connect() as bus:\n    bus.advertise('/n', 'demo_msgs/msg/Number', definition={definition!r}).publish(data=30)"
    result = world.run(world.python, "-c", code)
    assert result.returncode == 0, result.stderr
    for ai in receivers:
        assert ai.get("sorted(sub.recv(timeout=20).data for _ in range(31))") == list(range(31))


def test_stopped_receiver_does_not_hold_up_a_new_writer(world):
    """A new writer is introduced to every receiver; one that does not answer is given up."""
    world.broker(ros=False)
    stuck = world.ai()
    stuck.do("sub = bus.subscribe('/n', 'demo_msgs/msg/Number', definition='int32 data')")
    stuck.signal(signal.SIGSTOP)
    with iceway.connect() as bus, bus.advertise("/n", "demo_msgs/msg/Number", definition="int32 data") as pub:
        pub.publish(data=1)
        stuck.signal(signal.SIGCONT)
        assert stuck.get("sub.recv(timeout=20).data") == 1


def test_what_overflows_before_the_first_receive_is_counted(world):
    world.broker()
    peer = world.ros_peer()
    peer.do("peer.advertise('/n', 'std_msgs/msg/Int32', depth=64)")
    with iceway.connect() as bus:
        earlier = bus.subscribe("/n", depth=64)
        assert peer.get("peer.matched('/n')")
        publish = "for n in range({}): peer.publishers['/n'].publish(message('std_msgs/msg/Int32')(data=n))"
        peer.do(publish.format(5))
        assert [earlier.recv(timeout=20).data for _ in range(5)] == list(range(5))
        late = bus.subscribe("/n", depth=4)
        peer.do(publish.format(20))
        assert [earlier.recv(timeout=20).data for _ in range(20)] == list(range(20))
        assert [late.recv(timeout=20).data for _ in range(4)] == [16, 17, 18, 19]
        assert late.stats["overflow"] == 16, "what came before it subscribed is none of its losses"


def test_incompatible_qos_is_told(world):
    """A subscription that asks for more than the publisher offers hears so, with both profiles in words."""
    broker = world.broker()
    peer = world.ros_peer()
    peer.do("peer.advertise('/n', 'std_msgs/msg/Int32', reliable=False)")
    with iceway.connect() as bus:
        sub = bus.subscribe("/n", qos={"reliability": "reliable"})
        broker.wait_for_log("a publisher's QoS does not fit")
        notices = []
        while not notices:
            with pytest.raises(iceway.Timeout):
                sub.recv(timeout=0.1)
            notices = bus.notices()
    assert notices[0].topic == "/n"
    assert "reliable" in notices[0].message and "best" in notices[0].message, notices


def test_custom_interface_package_without_rebuilding_the_broker(world, tmp_path):
    """A package that is built with colcon after the broker binary: bridged both ways."""
    package = tmp_path / "src" / "robot_msgs"
    (package / "msg").mkdir(parents=True)
    (package / "msg" / "Wheel.msg").write_text("float64 speed\nfloat64[2] slip\n")
    (package / "msg" / "Drive.msg").write_text("uint8 MODE_FAST=2\nstd_msgs/Header header\nuint8 mode\nWheel[] wheels\nstring<=8 name\n")
    (package / "package.xml").write_text(
        """<?xml version="1.0"?><package format="3"><name>robot_msgs</name><version>1.0.0</version><description>d</description>
        <maintainer email="a@b.invalid">m</maintainer><license>Apache-2.0</license><buildtool_depend>ament_cmake</buildtool_depend>
        <buildtool_depend>rosidl_default_generators</buildtool_depend><depend>std_msgs</depend><exec_depend>rosidl_default_runtime</exec_depend>
        <member_of_group>rosidl_interface_packages</member_of_group><export><build_type>ament_cmake</build_type></export></package>"""
    )
    (package / "CMakeLists.txt").write_text(
        """cmake_minimum_required(VERSION 3.8)\nproject(robot_msgs)\nfind_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)\nfind_package(std_msgs REQUIRED)
rosidl_generate_interfaces(robot_msgs "msg/Wheel.msg" "msg/Drive.msg" DEPENDENCIES std_msgs)\nament_package()\n"""
    )
    built = world.run(world.root / "tools/build-interfaces", tmp_path / "install", tmp_path / "build", tmp_path / "src", timeout=300)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]

    overlay = {"ICEWAY_OVERLAYS": str(tmp_path / "install")}
    world.broker(env=overlay)
    peer = world.ros_peer(env=overlay)
    peer.do("peer.advertise('/drive', 'robot_msgs/msg/Drive'); peer.subscribe('/back', 'robot_msgs/msg/Drive', keep=lambda m: [m.mode, [w.speed for w in m.wheels], m.name])")
    with iceway.connect() as bus:
        sub = bus.subscribe("/drive")
        pub = bus.advertise("/back", "robot_msgs/msg/Drive")
        assert peer.get("peer.matched('/drive')")
        peer.do(
            "Wheel = message('robot_msgs/msg/Wheel'); peer.publishers['/drive'].publish(message('robot_msgs/msg/Drive')(mode=2, wheels=[Wheel(speed=float(i), slip=[.5, i / 1]) for i in range(4)], name='rover'))"
        )
        msg = sub.recv(timeout=20)
        assert msg.mode == msg.MODE_FAST == 2
        assert msg.wheels["speed"].tolist() == [0, 1, 2, 3]
        assert msg.wheels["slip"].tolist() == [[0.5, i] for i in range(4)]
        assert msg.name == "rover"
        pub.publish(msg)
        peer.wait_until("peer.received['/back'] == [[2, [0.0, 1.0, 2.0, 3.0], 'rover']]")


def test_remap_and_namespace(world):
    world.broker("--ros-args", "-r", "__node:=ears", "-r", "__ns:=/robot1", "-r", "/old:=/new")
    peer = world.ros_peer()
    peer.do("peer.advertise('/new', 'std_msgs/msg/String'); peer.advertise('/robot1/scan', 'std_msgs/msg/String')")
    with iceway.connect() as bus:
        renamed = bus.subscribe("/old")
        relative = bus.subscribe("scan")
        assert peer.get("peer.matched('/new') and peer.matched('/robot1/scan')")
        peer.do("for t in ('/new', '/robot1/scan'): peer.publishers[t].publish(message('std_msgs/msg/String')(data=t))")
        assert renamed.recv(timeout=20).data == "/new"
        assert relative.recv(timeout=20).data == "/robot1/scan"
        peer.wait_until("('ears', '/robot1') in node.get_node_names_and_namespaces()")


def test_allow_and_deny(world):
    world.broker("--allow", "/camera/**", "--deny", "/camera/secret")
    with iceway.connect() as bus:
        bus.subscribe("/camera/image", "sensor_msgs/msg/Image")
        for topic in ("/camera/secret", "/other"):
            with pytest.raises(iceway.Error, match=topic):
                bus.subscribe(topic, "sensor_msgs/msg/Image")


def test_topic_flag_bridges_before_any_client(world):
    world.broker("--topic", "/early:std_msgs/msg/String")
    peer = world.ros_peer()
    peer.do("peer.advertise('/early', 'std_msgs/msg/String')")
    assert peer.get("peer.matched('/early')")
