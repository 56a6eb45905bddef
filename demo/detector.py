"""The AI process: no ROS in it. Finds the disc in the NumPy view of each image and publishes where it is."""

import json
import re
import signal
import sys
import time

import numpy as np

import iceway


def find_disc(image: np.ndarray) -> tuple[float, float]:
    """The centre of the bright disc in an (H, W, 3) uint8 image, in pixels."""
    rows, columns = np.nonzero(image[::8, ::8, 1] > 200)
    if rows.size == 0:
        raise LookupError("no disc in the image")
    top, left = max(8 * int(rows.min()) - 16, 0), max(8 * int(columns.min()) - 16, 0)
    area = image[top : top + 96, left : left + 96, 1] > 200
    y, x = np.nonzero(area)
    return left + float(x.mean()), top + float(y.mean())


def segment_of(address: int) -> str | None:
    """The file that is mapped at an address of this process."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            low, high = (int(part, 16) for part in line.split(" ", 1)[0].split("-"))
            if low <= address < high:
                return line.split()[-1]
    return None


def main() -> None:
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    hops: list[list[int]] = []
    seen = imu_seen = 0
    array_at: dict[str, object] = {}

    with iceway.connect(timeout=20) as bus:
        camera = bus.subscribe("/camera/image_raw", "sensor_msgs/msg/Image")  # named, since the camera may start later
        imu = bus.subscribe("/imu", "sensor_msgs/msg/Imu", depth=64)
        out = bus.advertise("/disc/position", "geometry_msgs/msg/PointStamped")
        print(json.dumps({"ready": True}), flush=True)
        while not stopping:
            while (sample := imu.try_recv()) is not None:
                assert sample.angular_velocity.z == 1.0
                imu_seen += 1
            try:
                msg = camera.recv(timeout=0.1)
            except iceway.Timeout:
                continue
            view = iceway.image(msg)
            x, y = find_disc(view)
            out.publish(header=msg.header, point={"x": x, "y": y}, cause=msg)
            done_ns = time.monotonic_ns()
            seen += 1
            info = iceway.info(msg)
            hops.append(
                [info.received_ns - info.source_ns, info.taken_ns - info.received_ns, info.sent_ns - info.taken_mono_ns, info.woken_ns - info.sent_ns, done_ns - info.woken_ns]
            )
        if seen:
            address = view.__array_interface__["data"][0]
            array_at = {"address": hex(address), "segment": segment_of(address), "aligned_to_64": address % 64 == 0}
        with open("/proc/self/maps") as maps:
            foreign = sorted(set(re.findall(r"\S*(?:librcl|librmw|fastdds|fastrtps|fastcdr|rclpy)\S*", maps.read())))
        print(
            json.dumps(
                {"seen": seen, "imu_seen": imu_seen, "camera_stats": dict(camera.stats), "imu_stats": dict(imu.stats), "hops_ns": hops, "array": array_at, "ros_libraries": foreign}
            )
        )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
