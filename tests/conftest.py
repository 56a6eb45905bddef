"""Fixtures of the multi-process tests."""

import contextlib
import fcntl
import itertools
import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from processes import World

_numbers = itertools.count()


def is_free(lock):
    """Takes the lock if nobody else has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def ros_domain():
    """A ROS domain id that no other run of the tests uses meanwhile. Ids above 101 clash with Linux's ephemeral ports."""
    for candidate in itertools.cycle(random.sample(range(1, 102), 101)):
        with open(f"/tmp/iceway-tests-{os.getuid()}-domain-{candidate}.lock", "w") as lock:
            if is_free(lock):
                yield candidate
                return


@pytest.fixture
def world(monkeypatch):
    """A domain of the test's own; `iceway.connect()` in the test finds it too. Ends every process that it started, and asserts that nothing is left in /dev/shm."""
    root = Path(tempfile.mkdtemp(prefix="iw", dir="/tmp"))
    with ros_domain() as ros:
        world = World(ros, os.getpid() * 1000 + next(_numbers), root)
        for name in ("ROS_DOMAIN_ID", "ICEWAY_DOMAIN", "ICEWAY_ROOT"):
            monkeypatch.setenv(name, world.env[name])
        try:
            yield world
        finally:
            world.close()
            shutil.rmtree(root, ignore_errors=True)
            for left in world.shm_files():
                (Path("/dev/shm") / left).unlink(missing_ok=True)
