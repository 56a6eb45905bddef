"""What a receive costs in Python after a pause: how much of a latency at 30 Hz is cold caches.

    .venv/bin/python py-client/benches/cold.py

One thread publishes 256 bytes to itself through shared memory and receives them, so that nobody is woken. Between two messages it
spins (never giving its core away) or sleeps. Medians in µs of publishing, of `recv`, and of making the array; starts its own broker.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import iceway

ROOT = Path(__file__).resolve().parents[2]
DEFINITION = "uint8[] data"
PAUSES = (0.0, 0.0001, 0.001, 0.033)
WARM_UP = 20


def spin(seconds: float) -> None:
    """Wait without leaving the core."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def measure(pub: iceway.Publisher, sub: iceway.Subscription, pause, seconds: float, count: int) -> list[float]:
    """Median times of publish, recv and the array, in µs."""
    data, times = bytes(256), []
    for _ in range(WARM_UP + count):
        pause(seconds)
        start = time.perf_counter_ns()
        pub.publish(data=data)
        published = time.perf_counter_ns()
        msg = sub.recv(timeout=10)
        received = time.perf_counter_ns()
        array = msg.data
        done = time.perf_counter_ns()
        assert array.size == len(data)
        times.append((published - start, received - published, done - received))
    return [statistics.median(column) / 1000 for column in zip(*times[WARM_UP:], strict=True)]


def main() -> None:
    """Measure each pause, spun and slept."""
    with tempfile.TemporaryDirectory(prefix="iw", dir="/tmp") as root:
        os.environ |= {"ICEWAY_ROOT": root, "ICEWAY_DOMAIN": str(os.getpid())}
        broker = subprocess.Popen(
            [ROOT / "dev/ros", ROOT / "target/release/iceway", "run", "--no-ros"], stderr=subprocess.DEVNULL
        )
        try:
            with iceway.connect(timeout=30) as bus, iceway.connect() as other:
                pub = bus.advertise("/cold", "cold_msgs/msg/Data", definition=DEFINITION)
                sub = other.subscribe("/cold", "cold_msgs/msg/Data", definition=DEFINITION)
                print("pause              publish    recv   array   (µs, median)")
                for seconds in PAUSES:
                    for pause in (spin, time.sleep):
                        found = measure(pub, sub, pause, seconds, 5000 if seconds < 0.01 else 300)
                        name = (
                            "none"
                            if seconds == 0
                            else f"{seconds * 1000:g} ms, {'spun' if pause is spin else 'slept'}"
                        )
                        print(f"{name:18}" + "".join(f"{value:8.1f}" for value in found))
                        if seconds == 0:
                            break
        finally:
            broker.kill()
            broker.wait()


if __name__ == "__main__":
    main()
