"""A ROS 2 camera: 1080p rgb8 at 30 Hz with a bright disc moving on a known path. Prints how many frames it sent when told to stop."""

import array
import json
import signal
import sys
import threading

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.signals import SignalHandlerOptions
from scene import HEIGHT, RADIUS, RATE_HZ, WIDTH, disc_centre
from sensor_msgs.msg import Image


def main() -> None:
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    node = rclpy.create_node("camera")
    publisher = node.create_publisher(Image, "/camera/image_raw", 10)

    background = np.random.default_rng(1).integers(0, 120, (HEIGHT, WIDTH, 3), np.uint8)
    y, x = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    disc = (x * x + y * y <= RADIUS * RADIUS)[..., None]
    message = Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=WIDTH * 3)
    message.header.frame_id = "camera"
    message.data = array.array("B", background.tobytes())
    # The message's own buffer, drawn into in place: rclpy would need 20 ms for each new one.
    image = np.frombuffer(message.data, np.uint8).reshape(HEIGHT, WIDTH, 3)
    sent = 0
    last = (RADIUS, RADIUS)

    def publish() -> None:
        nonlocal sent, last
        area = np.s_[last[1] - RADIUS : last[1] + RADIUS + 1, last[0] - RADIUS : last[0] + RADIUS + 1]
        image[area] = background[area]
        now = node.get_clock().now()
        last = disc_centre(now.nanoseconds)
        area = np.s_[last[1] - RADIUS : last[1] + RADIUS + 1, last[0] - RADIUS : last[0] + RADIUS + 1]
        image[area] = np.where(disc, 250, background[area])
        message.header.stamp = now.to_msg()
        publisher.publish(message)
        sent += 1

    while publisher.get_subscription_count() == 0 and not stop.is_set():  # nothing is sent into the void
        rclpy.spin_once(node, timeout_sec=0.05)
    node.create_timer(1.0 / RATE_HZ, publish)
    while not stop.is_set():
        rclpy.spin_once(node, timeout_sec=0.1)
    publisher.wait_for_all_acked(Duration(seconds=2))
    print(json.dumps({"frames_sent": sent}))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
