"""Run by test_faults.py inside a mount namespace with a small /dev/shm: fills it up under a running bridge, and frees it again."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from processes import World

import iceway

world = World(int(os.environ["ROS_DOMAIN_ID"]), int(os.environ["ICEWAY_DOMAIN"]), os.environ["ICEWAY_ROOT"])
# Fast DDS keeps to UDP, so that the middleware itself needs nothing of this /dev/shm.
world.ros_env["FASTDDS_BUILTIN_TRANSPORTS"] = "UDPv4"
del world.ros_env["FASTRTPS_DEFAULT_PROFILES_FILE"]
try:
    broker = world.broker()
    peer = world.ros_peer()
    peer.do("peer.advertise('/image', 'sensor_msgs/msg/Image')")
    with iceway.connect() as bus:
        sub = bus.subscribe("/image", depth=8)
        assert peer.get("peer.matched('/image')")
        peer.do("peer.publishers['/image'].publish(image(0, 1_000_000))")
        first = sub.recv(timeout=20)
        assert first.header.frame_id == "0"

        filler = open("/dev/shm/filler", "wb")
        try:
            while True:
                filler.write(bytes(1 << 16))
                filler.flush()
        except OSError as error:
            assert error.errno == 28, error
        # Nothing fits any more: frames that need fresh pages are dropped and counted.
        peer.do("for n in range(1, 6): peer.publishers['/image'].publish(image(n, 8_000_000)); time.sleep(0.05)")
        broker.wait_for_log("/dev/shm")

        def counters():
            return next(r for r in bus.stats()["routes"] if r["topic"] == "/image")["counters"]

        end = time.monotonic() + 20
        while counters()["no_memory"] < 5:
            assert time.monotonic() < end, counters()
            time.sleep(0.02)
        assert broker.process.poll() is None
        # Publishing from Python is told so too.
        pub = None
        try:
            pub = bus.advertise("/out", "sensor_msgs/msg/Image")
            pub.publish(height=1, width=20_000_000, step=20_000_000, encoding="mono8", data=bytes(20_000_000))
            raise SystemExit("publishing into a full /dev/shm did not fail")
        except iceway.Error as error:
            print("publish said:", error)
            assert "/dev/shm" in str(error), error
        assert first.data[0] == 0

        filler.close()
        os.unlink("/dev/shm/filler")
        peer.do("peer.publishers['/image'].publish(image(6, 8_000_000))")
        msg = sub.recv(timeout=20)
        assert msg.header.frame_id == "6", msg.header.frame_id
        assert sub.stats["lost_before"] == 5, sub.stats
        print("recovered")
finally:
    world.close()
