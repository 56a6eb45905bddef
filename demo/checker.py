"""A ROS 2 node that compares the AI's answers with the disc's known path. Prints what it found when told to stop."""

import json
import signal
import threading
import time

import rclpy
from geometry_msgs.msg import PointStamped
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from scene import disc_centre

TOLERANCE_PIXELS = 1.0


def main() -> None:
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    node = rclpy.create_node("checker")
    round_trips_ns: list[int] = []
    wrong: list[str] = []
    last_print = time.monotonic()

    def check(answer: PointStamped) -> None:
        nonlocal last_print
        stamp_ns = Time.from_msg(answer.header.stamp).nanoseconds
        round_trips_ns.append(node.get_clock().now().nanoseconds - stamp_ns)
        x, y = disc_centre(stamp_ns)
        if abs(answer.point.x - x) > TOLERANCE_PIXELS or abs(answer.point.y - y) > TOLERANCE_PIXELS:
            wrong.append(f"stamp {stamp_ns}: disc at ({x}, {y}), answer ({answer.point.x:.1f}, {answer.point.y:.1f})")
        if time.monotonic() - last_print > 1.0:
            last_print = time.monotonic()
            print(json.dumps({"progress": len(round_trips_ns), "wrong": len(wrong), "x": answer.point.x, "y": answer.point.y}), flush=True)

    node.create_subscription(PointStamped, "/disc/position", check, 10)
    print(json.dumps({"ready": True}), flush=True)
    while not stop.is_set():
        rclpy.spin_once(node, timeout_sec=0.1)
    print(json.dumps({"answers": len(round_trips_ns), "wrong": wrong[:10], "wrong_count": len(wrong), "round_trips_ns": round_trips_ns}))


if __name__ == "__main__":
    main()
