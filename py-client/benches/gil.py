"""How fast a busy Python thread runs while another waits for images, with iceway and with rclpy.

    python benches/gil.py                  # iceway: needs a broker (`iceway run`), and its package
    dev/ros python3 py-client/benches/gil.py --rclpy  # rclpy, in the ROS environment

The images come from a process of their own: 1080p rgb8 at 200 Hz. Prints the busy thread's speed as a share of its
speed without a subscription, from one run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time

HEIGHT, WIDTH, RATE = 1080, 1920, 200

PUBLISH = f"""
import time, sys
import numpy as np
import iceway
text = sys.argv[1]
with iceway.connect() as bus:
    pub = bus.advertise("/gil/image", iceway.Schema("sensor_msgs/msg/Image", text) if text else "sensor_msgs/msg/Image")
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


def work(seconds: float) -> float:
    """Return how many rounds of pure Python a thread makes per second of wall time."""
    end = time.perf_counter() + seconds
    rounds = 0
    while time.perf_counter() < end:
        for _ in range(1000):
            pass
        rounds += 1
    return rounds / seconds


def measure(receive, seconds: float) -> dict[str, float]:
    """Measure the busy thread alone, with `receive` in another thread, and alone again."""
    stop = threading.Event()
    count = [0]

    def loop() -> None:
        while not stop.is_set():
            count[0] += receive()

    alone = work(seconds)
    thread = threading.Thread(target=loop)
    thread.start()
    work(0.5)
    start, before = time.perf_counter(), count[0]
    together = work(seconds)
    rate = (count[0] - before) / (time.perf_counter() - start)
    stop.set()
    thread.join()
    alone = (alone + work(seconds)) / 2
    return {"share": together / alone, "images_per_s": rate, "rounds_per_s_alone": alone}


def with_iceway(seconds: float, ros: bool) -> dict[str, float]:
    """Receive with iceway."""
    import iceway

    text = "" if ros else IMAGE
    camera = subprocess.Popen([sys.executable, "-c", PUBLISH, text])
    try:
        with iceway.connect() as bus:
            kind = "sensor_msgs/msg/Image" if ros else iceway.Schema("sensor_msgs/msg/Image", IMAGE)
            sub = bus.subscribe("/gil/image", kind)

            def receive() -> int:
                try:
                    return int(iceway.image(sub.recv(0.5)).shape == (HEIGHT, WIDTH, 3))
                except iceway.Timeout:
                    return 0

            while not receive():
                pass
            return measure(receive, seconds)
    finally:
        camera.kill()
        camera.wait()


def with_rclpy(seconds: float) -> dict[str, float]:
    """Receive with rclpy, in an executor's thread, as nodes usually do."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from sensor_msgs.msg import Image

    camera = subprocess.Popen([sys.executable, "-c", PUBLISH_RCLPY])
    try:
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
    finally:
        camera.kill()
        camera.wait()


def main() -> None:
    """Run one of the two, and print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rclpy", action="store_true", help="measure rclpy instead")
    parser.add_argument("--ros-types", action="store_true", help="take the type from the broker's ROS")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    found = with_rclpy(options.seconds) if options.rclpy else with_iceway(options.seconds, options.ros_types)
    print(json.dumps({"library": "rclpy" if options.rclpy else "iceway", **found}))


if __name__ == "__main__":
    main()
