"""What programs look like; type checkers read this."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import iceway

if TYPE_CHECKING:
    from ros_types.geometry_msgs.msg import PointStamped
    from ros_types.nav_msgs.msg import Path
    from ros_types.sensor_msgs.msg import Image, JointState, PointCloud2


def detect(timeout: float) -> None:
    with iceway.connect(timeout=timeout) as bus:
        camera: iceway.Subscription[Image] = bus.subscribe("/camera/image_raw", depth=1, max_age=0.1)
        lidar: iceway.Subscription[PointCloud2] = bus.subscribe("/points", depth=8)
        centers = bus.advertise("/centers", "geometry_msgs/msg/PointStamped", qos=iceway.QoS(depth=1))
        for msg in camera:
            seconds: int = msg.header.stamp.sec
            frame: str = msg.header.frame_id
            flat = msg.data
            total: int = int(flat.sum()) + seconds + len(frame)
            pixels = iceway.image(msg)
            brightest = np.unravel_index(int(pixels.argmax()), pixels.shape)
            centers.publish(header=msg.header, point={"x": float(brightest[0]), "y": total}, cause=msg)
            cloud = lidar.latest()
            if cloud is not None and cloud.fields[0].datatype == cloud.fields[0].FLOAT32:
                print(iceway.xyz(cloud).shape, iceway.info(cloud).hop_s)


def joints(sub: iceway.Subscription[JointState]) -> dict[str, float]:
    msg = sub.recv(timeout=1.0)
    return {name: float(position) for name, position in zip(msg.name, msg.position, strict=True)}


def track(path: Path) -> list[PointStamped]:
    first = path.poses[0]
    x: float = first.pose.position.x
    kept = iceway.copy(first)
    print(x, kept.header.stamp.nanosec, [pose.header.frame_id for pose in path.poses[1:]])
    return []


async def follow(sub: iceway.Subscription[Image]) -> int:
    async for msg in sub:
        return msg.height
    return (await sub.arecv(timeout=1.0)).width


def fill(pub: iceway.Publisher, pixels: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> None:
    height, width = pixels.shape
    with pub.loan(height=height, width=width, encoding="mono8", step=width, data=pixels.size) as msg:
        iceway.image(msg)[...] = pixels
    stats = pub.stats
    print(stats["sent"], stats["dropped"])
