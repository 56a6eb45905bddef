"""The types that robots use most, from a ROS node to Python and back: every field right, every array of numbers in shared memory."""

import numpy as np
import pytest

import iceway

TYPES = [
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/PointCloud2",
    "sensor_msgs/msg/LaserScan",
    "sensor_msgs/msg/Imu",
    "sensor_msgs/msg/JointState",
    "sensor_msgs/msg/CameraInfo",
    "nav_msgs/msg/OccupancyGrid",
    "nav_msgs/msg/Odometry",
    "nav_msgs/msg/Path",
    "tf2_msgs/msg/TFMessage",
]


def segments():
    """The address ranges in which this process maps iceway's shared memory."""
    with open("/proc/self/maps") as maps:
        return [tuple(int(part, 16) for part in line.split(" ", 1)[0].split("-")) for line in maps if "/dev/shm/iceway_" in line]


def arrays(value):
    """Every NumPy array that a message view reaches."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, iceway.Message):
        for name in dir(value):
            yield from arrays(getattr(value, name))
    elif isinstance(value, iceway.Sequence):
        for item in value:
            yield from arrays(item)


def plain(value):
    """The same plain form as ros_peer's `plain`."""
    if isinstance(value, np.ndarray) and value.dtype.names:
        return [plain(item) for item in value]
    if isinstance(value, np.void):
        return {name: plain(value[name]) for name in value.dtype.names}
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


@pytest.fixture
def bridge(world):
    world.broker()
    peer = world.ros_peer()
    with iceway.connect() as bus:
        yield world, peer, bus


def test_common_types_both_ways(bridge):
    _, peer, bus = bridge
    for number, type_name in enumerate(TYPES):
        there, back, back_by_field = (f"/{way}_{number}" for way in ("there", "back", "fields"))
        peer.do(f"peer.advertise('{there}', '{type_name}', latched=True)\nfor t in ('{back}', '{back_by_field}'): peer.subscribe(t, '{type_name}', latched=True)")
        peer.do(f"sent = filled('{type_name}', {number})\npeer.publishers['{there}'].publish(sent)")
        msg = bus.subscribe(there).recv(timeout=20)
        assert plain(iceway.to_dict(msg)) == peer.get("plain(sent)"), type_name

        mapped = segments()
        found = list(arrays(msg))
        for array in found:
            assert not array.flags.writeable
            address = array.__array_interface__["data"][0]
            assert array.size == 0 or any(low <= address < high for low, high in mapped), f"{type_name}: an array is not in shared memory"
        assert found or type_name.endswith(("Path", "TFMessage")), f"{type_name}: no array found"

        # Back whole, without decoding; and field by field.
        latched = {"durability": "transient_local", "depth": 1}
        whole, by_field = bus.advertise(back, type_name, qos=latched), bus.advertise(back_by_field, type_name, qos=latched)
        whole.publish(msg)
        by_field.publish(**{name: getattr(msg, name) for name in dir(msg) if not name.isupper()})
        for topic in (back, back_by_field):
            peer.wait_until(f"peer.received['{topic}'] == [sent]")
