"""Examples in docstrings, run against a real broker."""

import doctest
import threading

import numpy as np
import pytest

import iceway
from definitions import schema

USED = ["std_msgs/String", "sensor_msgs/Image", "geometry_msgs/PointStamped", "std_msgs/Header"]


def film(cameras, stop):
    """Publish pictures until told to stop."""
    picture = iceway.image_fields(np.zeros((480, 640, 3), np.uint8), "rgb8")
    while not stop.wait(0.01):
        for camera in cameras:
            camera.publish(header={"stamp": {"sec": 1}, "frame_id": "camera"}, **picture)


def examples():
    finder = doctest.DocTestFinder(recurse=True)
    things = [(name, getattr(iceway, name)) for name in iceway.__all__ if not name.startswith("__")]
    for name, thing in things:
        for test in finder.find(thing, name, module=False, globs={}):
            if test.examples:
                yield pytest.param(test, id=test.name)


@pytest.mark.broker
@pytest.mark.parametrize("test", list(examples()))
def test_example(test, world):
    with iceway.connect() as bus, iceway.connect(name="peer") as peer:
        # A broker without ROS learns the types from whoever brings them.
        kept = [peer.subscribe(f"/types/{name}", schema(name)) for name in USED]
        stop = threading.Event()
        cameras = [
            peer.advertise(f"/{name}/image_raw", schema("sensor_msgs/Image")) for name in ("camera", "left", "right")
        ]
        thread = threading.Thread(target=film, args=(cameras, stop))
        thread.start()
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        output = []
        test.globs = {"iceway": iceway, "np": np, "bus": bus}
        try:
            runner.run(test, out=output.append, clear_globs=False)
        finally:
            stop.set()
            thread.join()
        assert runner.failures == 0, "".join(output)
        assert len(kept) == len(USED)


def test_there_are_examples():
    names = {parameter.id for parameter in examples()}
    for name in (
        "connect",
        "image_fields",
        "Bus.subscribe",
        "Subscription",
        "Publisher.publish",
        "Publisher.loan",
        "sync",
        "wait",
    ):
        assert any(found.startswith(name) for found in names), name
