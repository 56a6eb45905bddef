"""How fast a busy Python thread runs while another one waits for images, with iceway and with rclpy.

    .venv/bin/python py-client/benches/gil.py

1080p rgb8 images come at 200 Hz from a process of their own. Blocks in which the other thread receives alternate with blocks in
which it pauses, while the publisher goes on; the result is the median of the ratios of neighbouring blocks, so that whatever else
the machine does hits both alike. Starts its own broker; needs `make setup`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HEIGHT, WIDTH, RATE = 1080, 1920, 200
ROOT = Path(__file__).resolve().parents[2]

PUBLISH = f"""
import time, sys
import iceway
with iceway.connect() as bus:
    pub = bus.advertise("/gil/image", iceway.Schema("sensor_msgs/msg/Image", sys.argv[1]))
    next_at = time.monotonic()
    while True:
        with pub.loan(height={HEIGHT}, width={WIDTH}, encoding="rgb8", step={3 * WIDTH}, data={3 * WIDTH * HEIGHT}):
            pass
        next_at += 1 / {RATE}
        time.sleep(max(0, next_at - time.monotonic()))
"""

PUBLISH_RCLPY = f"""
import array, time
import rclpy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("gil_camera")
pub = node.create_publisher(Image, "/gil/image", 1)
msg = Image(height={HEIGHT}, width={WIDTH}, encoding="rgb8", step={3 * WIDTH})
msg.data = array.array("B", bytes({3 * WIDTH * HEIGHT}))
next_at = time.monotonic()
while True:
    pub.publish(msg)
    next_at += 1 / {RATE}
    time.sleep(max(0, next_at - time.monotonic()))
"""

IMAGE = """std_msgs/Header header
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


BLOCK_SECONDS = 0.5


def work(seconds: float) -> float:
    """Return how many rounds of pure Python a thread makes per second of wall time."""
    start = time.perf_counter()
    end = start + seconds
    rounds = 0
    while (now := time.perf_counter()) < end:
        for _ in range(1000):
            pass
        rounds += 1
    return rounds / (now - start)


def measure(receive, seconds: float) -> dict[str, float]:
    """Measure the busy thread with and without `receive` in another thread, block by block."""
    stop, on = threading.Event(), threading.Event()
    count = [0]

    def loop() -> None:
        while not stop.is_set():
            if on.wait(0.1):
                count[0] += receive()

    thread = threading.Thread(target=loop)
    thread.start()
    shares, images, received_for = [], 0, 0.0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        alone = work(BLOCK_SECONDS)
        on.set()
        start, before = time.perf_counter(), count[0]
        together = work(BLOCK_SECONDS)
        received_for += time.perf_counter() - start
        images += count[0] - before
        on.clear()
        shares.append(together / ((alone + work(BLOCK_SECONDS)) / 2))
    stop.set()
    thread.join()
    return {
        "share": statistics.median(shares),
        "lowest": min(shares),
        "highest": max(shares),
        "images_per_s": images / received_for,
    }


@contextlib.contextmanager
def process(*command: object, **options):
    """Run a process meanwhile."""
    running = subprocess.Popen([str(part) for part in command], **options)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def with_iceway(seconds: float) -> dict[str, float]:
    """Receive with iceway."""
    import iceway

    broker = process(ROOT / "dev/ros", ROOT / "target/release/iceway", "run", "--no-ros", stderr=subprocess.DEVNULL)
    with broker, iceway.connect(timeout=30) as bus, process(sys.executable, "-c", PUBLISH, IMAGE):
        sub = bus.subscribe("/gil/image", iceway.Schema("sensor_msgs/msg/Image", IMAGE))

        def receive() -> int:
            try:
                return int(iceway.image(sub.recv(0.5)).shape == (HEIGHT, WIDTH, 3))
            except iceway.Timeout:
                return 0

        while not receive():
            pass
        return measure(receive, seconds)


def with_rclpy(seconds: float) -> dict[str, float]:
    """Receive with rclpy, in an executor's thread, as nodes usually do."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from sensor_msgs.msg import Image

    with process(sys.executable, "-c", PUBLISH_RCLPY):
        rclpy.init()
        node = rclpy.create_node("gil_receiver")
        seen = [0]

        def callback(_: Image) -> None:
            seen[0] += 1

        node.create_subscription(Image, "/gil/image", callback, 1)
        executor = SingleThreadedExecutor()
        executor.add_node(node)

        def receive() -> int:
            before = seen[0]
            executor.spin_once(timeout_sec=0.5)
            return seen[0] - before

        while not receive():
            pass
        return measure(receive, seconds)


def main() -> None:
    """Measure both, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="for each of the two")
    parser.add_argument(
        "--rclpy", action="store_true", help="measure rclpy alone: this is the part that runs in the ROS environment"
    )
    options = parser.parse_args()
    if options.rclpy:
        print(json.dumps(with_rclpy(options.seconds)))
        return
    with tempfile.TemporaryDirectory(prefix="iw", dir="/tmp") as root:
        profile = ROOT / "config/fastdds_shm.xml"
        os.environ |= {
            "ICEWAY_ROOT": root,
            "ICEWAY_DOMAIN": str(os.getpid()),
            "ROS_DOMAIN_ID": str(os.getpid() % 101 + 1),
        }
        os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(profile)
        found = {"iceway": with_iceway(options.seconds)}
        command = [ROOT / "dev/ros", "python3", __file__, "--rclpy", "--seconds", options.seconds]
        found["rclpy"] = json.loads(
            subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
        )
    for library, of in found.items():
        print(
            f"{library}: the busy thread keeps {of['share']:.1%} of its speed (blocks {of['lowest']:.1%} to {of['highest']:.1%})"
            f" while another receives {of['images_per_s']:.0f} images/s"
        )


if __name__ == "__main__":
    main()
