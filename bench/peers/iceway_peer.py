"""iceway from Python, as a user writes it: receives, echoes, publishes, and infers while subscribed. Knows no ROS."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from lines import ENCODING, Inbox, Inference, Pace, serve

import iceway

TYPE = "sensor_msgs/msg/Image"
HOPS = ("publish → source", "source → received", "received → taken", "taken → sent", "sent → woken", "woken → array")
SHM_HOPS = HOPS[-2:]
DEFINITION = """std_msgs/Header header
uint32 height
uint32 width
string encoding
uint8 is_bigendian
uint32 step
uint8[] data
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""


class Peer:
    """The actions."""

    def __init__(self) -> None:
        self.bus = iceway.connect(timeout=30.0, name="iceway-bench python")
        self.from_ros = bool(self.bus.broker().get("ros"))
        self.type = TYPE if self.from_ros else iceway.Schema(TYPE, DEFINITION)
        self.inbox = Inbox(HOPS if self.from_ros else SHM_HOPS)
        self.subs: list[iceway.Subscription[Any]] = []
        self.threads: list[threading.Thread] = []
        self.stopping = threading.Event()
        self.publishers: dict[str, iceway.Publisher] = {}
        self.inference: Inference | None = None

    def subscribe(self, topics: list[str], depth: int, spin: bool) -> None:
        """Receive from now on."""
        self.inbox.forget()
        self.subs = [self.bus.subscribe(topic, self.type, depth=depth, timeout=30.0) for topic in topics]
        self.stopping.clear()
        if len(topics) == 1:
            work = threading.Thread(target=self.receive_one, args=(self.subs[0], spin), daemon=True)
        else:
            work = threading.Thread(target=self.receive_many, args=(list(self.subs),), daemon=True)
        self.threads.append(work)
        self.threads[-1].start()

    def receive_one(self, sub: iceway.Subscription[Any], spin: bool) -> None:
        """One topic: a loop that blocks, or one that spins."""
        times, from_ros = self.inbox, self.from_ros
        clock = time.time_ns if from_ros else time.monotonic_ns
        while not self.stopping.is_set():
            try:
                msg = sub.try_recv() if spin else sub.recv(timeout=0.2)
                if msg is None:
                    continue
            except iceway.Timeout:
                continue
            except iceway.Error:
                return
            array = msg.data
            now = clock()
            now_mono = time.monotonic_ns() if from_ros else now
            assert array.dtype == np.uint8
            info = iceway.info(msg)
            in_hand = now_mono - info.woken_ns
            if from_ros:
                stamp = msg.header.stamp.sec * 1_000_000_000 + msg.header.stamp.nanosec
                times.samples.append(
                    (
                        msg.height,
                        now,
                        now - stamp,
                        info.source_ns - stamp,
                        info.received_ns - info.source_ns,
                        info.taken_ns - info.received_ns,
                        info.sent_ns - info.taken_mono_ns,
                        info.woken_ns - info.sent_ns,
                        in_hand,
                    )
                )
            else:
                times.samples.append((msg.height, now, now - info.sent_ns, info.woken_ns - info.sent_ns, in_hand))

    def receive_many(self, subs: list[iceway.Subscription[Any]]) -> None:
        """Many topics: wait for all of them at once; images are only counted."""
        inbox, first = self.inbox, subs[0]
        while not self.stopping.is_set():
            try:
                for sub in iceway.wait(subs, timeout=0.2):
                    while (msg := sub.try_recv()) is not None:
                        inbox.received += 1
                        if sub is first:
                            now = time.time_ns()
                            inbox.samples.append((msg.height, now, now - msg.header.stamp.sec * 1_000_000_000 - msg.header.stamp.nanosec))
            except iceway.Error:
                return

    def unsubscribe(self) -> None:
        """End all subscriptions."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(5)
        self.threads.clear()
        for sub in self.subs:
            sub.close()
        self.subs = []

    def collect(self, last: int, timeout_s: float) -> dict[str, Any]:
        """Samples so far, with what was lost."""
        dropped: dict[str, int] = {}
        answer = self.inbox.collect(last, timeout_s)
        for sub in self.subs:
            stats = sub.stats
            for name, cause in (("overflow", "overflow"), ("lost_before", "lost_in_middleware"), ("writer_drops", "writer_drops"), ("malformed", "malformed")):
                dropped[cause] = dropped.get(cause, 0) + stats[name]  # type: ignore[literal-required]
        answer["dropped"] = dropped
        if len(self.subs) > 1:
            answer["hops"] = []
        return answer

    def echo(self, source: str, to: str) -> None:
        """Send every image back."""
        out = self.bus.advertise(to, self.type, timeout=30.0)
        sub = self.bus.subscribe(source, self.type, timeout=30.0)
        self.subs.append(sub)

        def run() -> None:
            while not self.stopping.is_set():
                try:
                    out.publish(sub.recv(timeout=0.2))
                except iceway.Timeout:
                    continue
                except iceway.Error:
                    return

        self.stopping.clear()
        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def publish(self, topic: str, how: str, bytes: int, first: int, count: int, rate_hz: float) -> dict[str, Any]:
        """Publish, and time it in the caller."""
        if topic not in self.publishers:
            self.publishers[topic] = self.bus.advertise(topic, self.type, timeout=30.0)
        out, pace = self.publishers[topic], Pace(rate_hz)
        result = np.arange(bytes, dtype=np.uint32).astype(np.uint8)
        times = []
        for number in range(first, first + count):
            pace.wait()
            if how == "copy":
                sec, nanosec = divmod(time.time_ns(), 1_000_000_000)
                start = time.perf_counter_ns()
                out.publish(header={"stamp": {"sec": sec, "nanosec": nanosec}}, height=number, width=bytes, encoding=ENCODING, step=bytes, data=result)
                took = time.perf_counter_ns() - start
            else:
                sec, nanosec = divmod(time.time_ns(), 1_000_000_000)
                start = time.perf_counter_ns()
                with out.loan(header={"stamp": {"sec": sec, "nanosec": nanosec}}, height=number, width=bytes, encoding=ENCODING, step=bytes, data=bytes) as msg:
                    filling = time.perf_counter_ns()
                    # Where a model would write its result: its own work, not that of publishing.
                    np.copyto(msg.data, result)
                    filling = time.perf_counter_ns() - filling
                took = time.perf_counter_ns() - start - filling
            times.append((number, took))
        return {"times": times}

    def send(self, topics: list[str], bytes: int, first: int, count: int, rate_hz: float) -> dict[str, Any]:
        """Publish in place on one topic, for a receiver that times it."""
        start = time.monotonic()
        self.publish(topics[0], "loan", bytes, first, count, rate_hz)
        return {"sent": count, "seconds": time.monotonic() - start}

    def infer(self, topics: list[str], seconds: float) -> dict[str, float]:
        """Compute, with subscriptions to the newest image of some topics."""
        self.inference = self.inference or Inference()
        subs = [self.bus.subscribe(topic, self.type, timeout=30.0) for topic in topics]
        seen = 0

        def newest() -> int:
            count = 0
            for sub in subs:
                msg = sub.try_recv()
                if msg is not None:
                    nonlocal seen
                    seen += int(msg.data[0])
                    count += 1
            return count

        try:
            return self.inference.run(seconds, newest)
        finally:
            for sub in subs:
                sub.close()


def main() -> None:
    """Serve until the parent ends."""
    peer = Peer()
    serve(
        {
            "subscribe": peer.subscribe,
            "unsubscribe": peer.unsubscribe,
            "forget": peer.inbox.forget,
            "collect": peer.collect,
            "echo": peer.echo,
            "publish": peer.publish,
            "send": peer.send,
            "infer": peer.infer,
        }
    )
    peer.unsubscribe()
    peer.bus.close()


if __name__ == "__main__":
    main()
