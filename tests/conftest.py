"""Fixtures of the multi-process tests."""

import itertools
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from processes import World

_numbers = itertools.count()


@pytest.fixture
def world(monkeypatch):
    """A domain of the test's own; `iceway.connect()` in the test finds it too. Ends every process that it started, and asserts that nothing is left in /dev/shm."""
    root = Path(tempfile.mkdtemp(prefix="iw", dir="/tmp"))
    # ROS domain ids above 101 clash with Linux's ephemeral ports.
    number = next(_numbers)
    world = World(1 + (os.getpid() * 7 + number) % 100, os.getpid() * 1000 + number, root)
    for name in ("ROS_DOMAIN_ID", "ICEWAY_DOMAIN", "ICEWAY_ROOT"):
        monkeypatch.setenv(name, world.env[name])
    try:
        yield world
    finally:
        world.close()
        shutil.rmtree(root, ignore_errors=True)
        for left in world.shm_files():
            (Path("/dev/shm") / left).unlink(missing_ok=True)
