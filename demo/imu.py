"""A ROS 2 IMU at 200 Hz, which turns about its z axis. Prints how many messages it sent when told to stop."""

import json
import math
import signal
import threading

import rclpy
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Imu


def main() -> None:
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    node = rclpy.create_node("imu")
    publisher = node.create_publisher(Imu, "/imu", qos_profile_sensor_data)
    message = Imu()
    message.header.frame_id = "imu"
    sent = 0

    def publish() -> None:
        nonlocal sent
        angle = sent / 200.0
        message.header.stamp = node.get_clock().now().to_msg()
        message.orientation.z, message.orientation.w = math.sin(angle / 2), math.cos(angle / 2)
        message.angular_velocity.z = 1.0
        publisher.publish(message)
        sent += 1

    while publisher.get_subscription_count() == 0 and not stop.is_set():  # nothing is sent into the void
        rclpy.spin_once(node, timeout_sec=0.05)
    node.create_timer(1 / 200.0, publish)
    while not stop.is_set():
        rclpy.spin_once(node, timeout_sec=0.1)
    print(json.dumps({"imu_sent": sent}))


if __name__ == "__main__":
    main()
