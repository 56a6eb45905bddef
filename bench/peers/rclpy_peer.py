"""The same with rclpy, written the usual ROS way: a node that spins, with callbacks."""

from __future__ import annotations

import array
import threading
import time
from typing import Any

import numpy as np
import rclpy
from lines import ENCODING, Inbox, Inference, Pace, in_thread, serve
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image


class Peer:
    """The actions. They run beside the thread that spins."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.inbox = Inbox()
        self.subs: list[Any] = []
        self.publishers: dict[str, Any] = {}
        self.inference: Inference | None = None

    def subscribe(self, topics: list[str], depth: int, spin: bool) -> None:
        """Receive from now on."""
        self.inbox.forget()
        callback = self.on_image if len(topics) == 1 else self.on_one_of_many(topics[0])
        for topic in topics:
            on_image = callback if len(topics) == 1 else callback(topic)
            self.subs.append(self.node.create_subscription(Image, topic, on_image, max(depth, 10)))

    def on_image(self, msg: Image) -> None:
        """One topic: every image counts."""
        pixels = np.frombuffer(msg.data, np.uint8)
        now = time.time_ns()
        assert pixels.size == msg.width
        self.inbox.samples.append((msg.height, now, now - msg.header.stamp.sec * 1_000_000_000 - msg.header.stamp.nanosec))

    def on_one_of_many(self, first: str) -> Any:
        """Many topics: images are only counted."""

        def callback_of(topic: str) -> Any:
            def callback(msg: Image) -> None:
                self.inbox.received += 1
                if topic == first:
                    self.on_image(msg)

            return callback

        return callback_of

    def unsubscribe(self) -> None:
        """End all subscriptions."""
        for sub in self.subs:
            self.node.destroy_subscription(sub)
        self.subs = []

    def echo(self, source: str, to: str) -> None:
        """Send every image back."""
        publisher = self.node.create_publisher(Image, to, 10)
        self.subs.append(self.node.create_subscription(Image, source, publisher.publish, 10))

    def publish(self, topic: str, how: str, bytes: int, first: int, count: int, rate_hz: float) -> dict[str, Any]:
        """Publish, and time it in the caller."""
        if topic not in self.publishers:
            self.publishers[topic] = self.node.create_publisher(Image, topic, 10)
            end = time.monotonic() + 20
            while self.publishers[topic].get_subscription_count() == 0 and time.monotonic() < end:
                time.sleep(0.01)
        publisher, pace = self.publishers[topic], Pace(rate_hz)
        result = np.arange(bytes, dtype=np.uint32).astype(np.uint8)
        msg = Image(width=bytes, encoding=ENCODING, step=bytes)
        ready = array.array("B", result.tobytes())
        times = []
        for number in range(first, first + count):
            pace.wait()
            now = time.time_ns()
            msg.height, msg.header.stamp.sec, msg.header.stamp.nanosec = number, now // 1_000_000_000, now % 1_000_000_000
            start = time.perf_counter_ns()
            # The result is in an array.array already, or still in NumPy's memory.
            msg.data = ready if how == "array.array" else array.array("B", result.tobytes())
            publisher.publish(msg)
            times.append((number, time.perf_counter_ns() - start))
        return {"times": times}

    def infer(self, topics: list[str], seconds: float) -> dict[str, float]:
        """Compute while the callbacks, in the thread that spins, keep the newest image of some topics."""
        self.inference = self.inference or Inference()
        newest: dict[str, Image] = {}
        subs = [self.node.create_subscription(Image, topic, lambda msg, topic=topic: newest.__setitem__(topic, msg), 1) for topic in topics]

        def take() -> int:
            count = 0
            for topic in topics:
                msg = newest.pop(topic, None)
                if msg is not None:
                    assert np.frombuffer(msg.data, np.uint8)[0] >= 0
                    count += 1
            return count

        try:
            return self.inference.run(seconds, take)
        finally:
            for sub in subs:
                self.node.destroy_subscription(sub)


def main() -> None:
    """Spin until the parent ends."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("iceway_bench_rclpy")
    peer = Peer(node)

    def orders() -> None:
        serve(
            {
                "subscribe": peer.subscribe,
                "unsubscribe": peer.unsubscribe,
                "forget": peer.inbox.forget,
                "collect": peer.inbox.collect,
                "echo": peer.echo,
                "publish": peer.publish,
                "infer": peer.infer,
            }
        )
        # In order, or Fast DDS leaves its segments in /dev/shm.
        rclpy.shutdown()

    threading.current_thread().name = "spin"
    in_thread(orders)
    try:
        rclpy.spin(node)
    except ExternalShutdownException:
        pass
    node.destroy_node()


if __name__ == "__main__":
    main()
