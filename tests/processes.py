"""The processes of the multi-process tests: broker, ROS peers, other AI processes. All real; each test has its own domain."""

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BROKER = Path(os.environ.get("ICEWAY_BIN", ROOT / "target/release/iceway"))
START_SECONDS = 30.0


class Process:
    """A child process whose stderr goes to a file, shown when something fails."""

    def __init__(self, name, command, env, **options):
        self.name = name
        self.log = tempfile.NamedTemporaryFile("w+", prefix=f"iceway-{name}-", suffix=".log", delete=False)
        self.process = subprocess.Popen(list(map(str, command)), env=env, stderr=self.log, text=True, start_new_session=True, **options)

    @property
    def pid(self):
        return self.process.pid

    def stderr(self):
        return Path(self.log.name).read_text(errors="replace")

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=20.0):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {timeout} s; its log:\n{self.stderr()}") from None

    def stop(self):
        """SIGTERM, then the exit code; SIGKILL for what does not obey."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.stop()
        self.log.close()
        Path(self.log.name).unlink(missing_ok=True)

    def wait_for_log(self, pattern, timeout=20.0):
        """Waits until the log matches; returns the match."""
        end = time.monotonic() + timeout
        while True:
            if match := re.search(pattern, self.stderr()):
                return match
            assert self.process.poll() is None or re.search(pattern, self.stderr()), f"{self.name} ended; its log:\n{self.stderr()}"
            assert time.monotonic() < end, f"{self.name} did not log {pattern!r}:\n{self.stderr()}"
            time.sleep(0.02)


class LineProcess(Process):
    """A child that is driven by lines of JSON."""

    def __init__(self, name, command, env, **options):
        super().__init__(name, command, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
        self._answers = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._answer(START_SECONDS)

    def _read(self):
        for line in self.process.stdout:
            with contextlib.suppress(json.JSONDecodeError):
                self._answers.put(json.loads(line))
        self._answers.put(None)

    def _answer(self, timeout):
        try:
            answer = self._answers.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"{self.name} gave no answer within {timeout} s; its log:\n{self.stderr()}") from None
        assert answer is not None, f"{self.name} ended; its log:\n{self.stderr()}"
        assert "error" not in answer, f"in {self.name}:\n{answer['error']}"
        return answer.get("value")

    def stop(self):
        """Ends it by the end of its input, so that it can leave ROS properly."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(10)
        return super().stop()

    def _ask(self, command, timeout):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self._answer(timeout)

    def do(self, code, timeout=60.0):
        """Runs statements there."""
        self._ask({"do": code}, timeout)

    def get(self, expression, timeout=60.0):
        """The value of an expression there; it must be one that JSON can carry."""
        return self._ask({"get": expression}, timeout)

    def wait_until(self, condition, timeout=20.0):
        """Waits there until an expression holds."""
        assert self.get(f"peer.wait(lambda: {condition}, {timeout})", timeout + 10), f"{self.name}: {condition} did not come true within {timeout} s"


class World:
    """One test's domain and the processes in it."""

    def __init__(self, ros_domain, domain, root):
        self.domain = domain
        self.env = {k: v for k, v in os.environ.items() if k not in ("RUST_LOG", "ICEWAY_LOG")}
        self.env |= {"ROS_DOMAIN_ID": str(ros_domain), "ICEWAY_DOMAIN": str(domain), "ICEWAY_ROOT": str(root), "PYTHONUNBUFFERED": "1", "RCUTILS_COLORIZED_OUTPUT": "0"}
        self.ros_env = self.env | {"FASTRTPS_DEFAULT_PROFILES_FILE": str(ROOT / "config/fastdds_shm.xml")}
        self.children = []

    def _add(self, child):
        self.children.append(child)
        return child

    def broker(self, *arguments, ros=True, env=None, wait=True):
        """Starts a broker and waits until it serves."""
        prefix = [ROOT / "dev/ros"] if ros else []
        arguments = arguments if ros else ("--no-ros", *arguments)
        environment = (self.ros_env if ros else self.env) | (env or {})
        broker = self._add(Process("broker", [*prefix, BROKER, "run", *arguments], environment))
        if wait:
            broker.wait_for_log(r"the broker is ready", START_SECONDS)
        return broker

    def ros_peer(self, *arguments, env=None):
        """Starts a ROS 2 node that the test drives."""
        command = [ROOT / "dev/ros", "python3", ROOT / "tests/ros_peer.py", *arguments]
        return self._add(LineProcess("ros_peer", command, self.ros_env | (env or {})))

    def ai(self, env=None):
        """Starts another AI process that the test drives: `bus` is a connected iceway bus there."""
        return self._add(LineProcess("ai", [sys.executable, ROOT / "tests/ai_peer.py"], self.env | (env or {})))

    def run(self, *command, ros=False, timeout=60, **options):
        """Runs a command to its end."""
        prefix = [ROOT / "dev/ros"] if ros else []
        return subprocess.run(list(map(str, [*prefix, *command])), env=self.env, capture_output=True, text=True, timeout=timeout, **options)

    def ros_listener(self, topic, type_name, keep="lambda m: m", **options):
        """Starts a ROS 2 node that subscribes, and waits until the broker knows of it, so that the first message reaches it."""
        peer = self.ros_peer()
        peer.do(f"peer.subscribe({topic!r}, {type_name!r}, keep={keep}, **{options!r})")
        self.wait_for_topic(topic)
        return peer

    root = ROOT
    python = Path(sys.executable)

    def wait_for_topic(self, topic, timeout=20.0):
        """Waits until the broker sees a ROS topic."""
        import iceway

        with iceway.connect() as bus:
            end = time.monotonic() + timeout
            while not any(t.name == topic for t in bus.topics()):
                assert time.monotonic() < end, f"the broker does not see {topic}"
                time.sleep(0.02)

    def shm_files(self):
        """What this domain has in /dev/shm."""
        return sorted(p.name for p in Path("/dev/shm").glob(f"iceway_{os.getuid()}_{self.domain}_*"))

    def close(self):
        for child in reversed(self.children):
            with contextlib.suppress(ProcessLookupError):
                child.signal(signal.SIGCONT)
            child.close()
