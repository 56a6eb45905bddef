import gc
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import iceway

ROOT = Path(__file__).parents[2]

# A shell's background jobs ignore Ctrl-C, and so would every process that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def find_broker() -> str:
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    return os.environ.get("ICEWAY_BIN") or str(target / "release" / "iceway")


class World:
    """A domain of a test's own, with a broker and other processes. Nothing is left when it ends."""

    def __init__(self, folder: Path):
        self.domain = random.randrange(10_000, 4_000_000)
        self.folder = folder
        self.env = {**os.environ, "ICEWAY_ROOT": str(folder), "ICEWAY_DOMAIN": str(self.domain)}
        self.processes: list[subprocess.Popen[str]] = []
        self.broker: subprocess.Popen[str] | None = None

    def start_broker(self, *args: str) -> "subprocess.Popen[str]":
        """Start a broker and wait until it answers."""
        command = [find_broker(), "run", "--no-ros", "--domain", str(self.domain), *args]
        with (self.folder / "broker.log").open("a") as log:
            self.broker = subprocess.Popen(command, env=self.env, stdout=log, stderr=log, text=True)
        self.processes.append(self.broker)
        with iceway.connect(timeout=20):
            pass
        return self.broker

    def kill_broker(self) -> None:
        assert self.broker is not None
        self.broker.kill()
        self.broker.wait()

    def log(self) -> str:
        return (self.folder / "broker.log").read_text()

    def python(self, code: str, **options) -> "subprocess.Popen[str]":
        """Run Python code in another process of this world."""
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**self.env, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self.processes.append(process)
        return process

    def run(self, code: str, timeout: float = 60) -> str:
        """Run Python code in another process to its end, and return what it printed."""
        process = self.python(code)
        out, err = process.communicate(timeout=timeout)
        assert process.returncode == 0, f"exit code {process.returncode}\n{out}\n{err}"
        return out

    def end(self) -> None:
        for process in self.processes:
            if process is not self.broker and process.poll() is None:
                process.kill()
                process.wait()
        if self.broker is not None and self.broker.poll() is None:
            self.broker.send_signal(signal.SIGTERM)
            assert self.broker.wait(20) == 0, self.log()
        for process in self.processes:
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def left_behind(self) -> list[str]:
        return [name for name in os.listdir("/dev/shm") if name.startswith(f"iceway_{os.getuid()}_{self.domain}_")]


@pytest.fixture
def empty_world(monkeypatch):
    """A domain without a broker; `iceway.connect()` in the test looks there."""
    with tempfile.TemporaryDirectory(prefix="iw", dir="/tmp") as folder:
        world = World(Path(folder))
        monkeypatch.setenv("ICEWAY_ROOT", world.env["ICEWAY_ROOT"])
        monkeypatch.setenv("ICEWAY_DOMAIN", world.env["ICEWAY_DOMAIN"])
        try:
            yield world
        finally:
            world.end()


@pytest.fixture
def world(empty_world):
    """A domain with a broker that has no ROS."""
    empty_world.start_broker()
    return empty_world


@pytest.fixture
def bus(world):
    with iceway.connect() as bus:
        yield bus
    gc.collect()


def eventually(condition, timeout: float = 20.0):
    """Wait for a condition that another process brings about; return its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
