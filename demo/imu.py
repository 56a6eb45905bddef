"""A ROS 2 IMU at 200 Hz, which turns about its z axis. Prints how many messages it sent when told to stop."""

import json
import math
import signal

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu


def main() -> None:
    rclpy.init()
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

    node.create_timer(1 / 200.0, publish)
    signal.signal(signal.SIGTERM, lambda *_: rclpy.try_shutdown())
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    print(json.dumps({"imu_sent": sent}))


if __name__ == "__main__":
    main()
