"""A real ROS 2 node that a test drives: it reads lines of JSON from stdin, runs the code in them, and answers on stdout.

Run inside the ROS environment. The test's side of it is `RosPeer` in processes.py.
"""

import array
import hashlib
import importlib
import json
import random
import sys
import threading
import time
import traceback
from collections import defaultdict

import rclpy
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def import_message(name):
    """The Python class of `package/msg/Name`."""
    package, kind, name = name.split("/")
    return getattr(importlib.import_module(f"{package}.{kind}"), name)


def qos(depth=10, reliable=True, latched=False):
    """A QoS profile in few words."""
    return QoSProfile(
        depth=depth,
        history=HistoryPolicy.KEEP_LAST,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


class Peer:
    """What the test's code sees as `peer`."""

    def __init__(self, node):
        self.node = node
        self.publishers = {}
        self.received = defaultdict(list)
        self.changed = threading.Condition()

    def advertise(self, topic, type_name, **options):
        self.publishers[topic] = self.node.create_publisher(import_message(type_name), topic, qos(**options))
        return self.publishers[topic]

    def subscribe(self, topic, type_name, keep=lambda message: message, **options):
        """Keeps `keep(message)` of every message in `received[topic]`."""

        def callback(message):
            with self.changed:
                self.received[topic].append(keep(message))
                self.changed.notify_all()

        self.node.create_subscription(import_message(type_name), topic, callback, qos(**options))

    def wait(self, condition, timeout=20.0):
        """Waits until `condition()` holds; it is looked at when a message comes, and every 20 ms for what has no event."""
        end = time.monotonic() + timeout
        with self.changed:
            while not condition():
                if time.monotonic() > end:
                    return False
                self.changed.wait(0.02)
        return True

    def matched(self, topic, count=1, timeout=20.0):
        """Waits until a publisher of this node has that many subscriptions."""
        return self.wait(lambda: self.publishers[topic].get_subscription_count() >= count, timeout)


def image(number, size):
    """An Image of `size` data bytes that tells its number, and whose data follows from it."""
    Image = import_message("sensor_msgs/msg/Image")
    message = Image(height=1, width=size, encoding="mono8", step=size)
    message.header.frame_id = str(number)
    message.data = array.array("B", bytes([number % 251]) * size)
    return message


def plain(value):
    """A message as JSON can carry it: fields by name, arrays as lists."""
    if hasattr(value, "get_fields_and_field_types"):
        return {name: plain(getattr(value, name)) for name in value.get_fields_and_field_types()}
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, bytes):
        return value[0]
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def filled(type_name, seed):
    """A message of the type with random values in every field, and a few elements in every array."""
    from rosidl_parser.definition import AbstractNestedType, AbstractString, Array, BasicType, NamespacedType

    rng = random.Random(seed)

    def number(kind):
        if kind == "boolean":
            return rng.random() < 0.5
        if kind in ("float", "double"):
            return float(rng.randrange(-1000, 1000)) / 8
        if kind == "octet":
            return bytes([rng.randrange(256)])
        bits = int("".join(filter(str.isdigit, kind)))
        return rng.randrange(2**bits) if kind.startswith("uint") else rng.randrange(-(2 ** (bits - 1)), 2 ** (bits - 1))

    def value(kind):
        if isinstance(kind, AbstractNestedType):
            return [value(kind.value_type) for _ in range(kind.size if isinstance(kind, Array) else rng.randrange(1, 5))]
        if isinstance(kind, AbstractString):
            return "".join(rng.choice("abcdefghij é") for _ in range(rng.randrange(12)))
        if isinstance(kind, BasicType):
            return number(kind.typename)
        assert isinstance(kind, NamespacedType)
        return message("/".join(kind.namespaced_name()))

    def message(name):
        cls = import_message(name)
        return cls(**{field: value(kind) for field, kind in zip(cls.get_fields_and_field_types(), cls.SLOT_TYPES, strict=False)})

    return message(type_name)


def digest(data):
    return hashlib.sha256(bytes(data)).hexdigest()


def main():
    rclpy.init(args=sys.argv)
    node = rclpy.create_node("peer")
    peer = Peer(node)
    executor = rclpy.executors.SingleThreadedExecutor()
    executor.add_node(node)
    spinning = threading.Thread(target=executor.spin, daemon=True)
    spinning.start()
    scope = {
        "peer": peer,
        "node": node,
        "rclpy": rclpy,
        "message": import_message,
        "image": image,
        "filled": filled,
        "plain": plain,
        "digest": digest,
        "qos": qos,
        "time": time,
        "json": json,
    }
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if "do" in command:
                exec(command["do"], scope)
                answer = {"value": None}
            else:
                answer = {"value": eval(command["get"], scope)}
            reply = json.dumps(answer)
        except Exception:
            reply = json.dumps({"error": traceback.format_exc()})
        print(reply, flush=True)
    executor.shutdown()
    spinning.join()
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
