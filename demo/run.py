"""Runs iceway's main job on real parts: a ROS 2 camera and IMU, the broker, an AI process without ROS, and a ROS 2 node that checks its answers.

make demo         ends by itself and prints a table; exit code 0 only if all is right
make demo-live    keeps running until Ctrl-C
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "demo"


class Part:
    """One process of the demo. Its stdout is JSON lines; the last one is its result."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], log_folder: Path) -> None:
        self.name = name
        self.log = log_folder / f"{name}.log"
        self.lines: list[dict] = []
        self.ready = threading.Event()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, text=True, cwd=HERE, start_new_session=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            try:
                self.lines.append(json.loads(line))
            except json.JSONDecodeError:
                continue
            if self.lines[-1].get("ready"):
                self.ready.set()

    def wait_ready(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.ready.wait(0.1):
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"demo: {self.name} did not start:\n{self.log.read_text()}")

    def check_alive(self) -> None:
        if self.process.poll() is not None:
            raise SystemExit(f"demo: {self.name} ended early with code {self.process.returncode}:\n{self.log.read_text()}")

    def stop(self) -> dict:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)
        return self.lines[-1] if self.lines else {}


def percentile(values: list[int], p: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(p * len(ordered)))] / 1e6


def dropped(stats: dict[str, int]) -> dict[str, int]:
    """The causes for which frames were not delivered."""
    causes = ("lost_before", "overflow", "stale", "writer_drops", "malformed")
    return {cause: stats[cause] for cause in causes if stats[cause]}


def report(camera: dict, imu: dict, ai: dict, checker: dict) -> list[str]:
    """Prints the table; returns what is not right."""
    lost = sum(dropped(ai["camera_stats"]).values())
    print("\n  images   sent by the ROS camera            ", camera["frames_sent"])
    print("           seen by the AI process            ", ai["seen"])
    print("           dropped, by cause                 ", dropped(ai["camera_stats"]) or "none")
    print("           answered back in ROS              ", checker["answers"])
    print("           wrong                             ", checker["wrong_count"])
    print("  IMU      sent / seen / dropped, by cause   ", imu["imu_sent"], "/", ai["imu_seen"], "/", dropped(ai["imu_stats"]) or "none")
    print("\n  latency in ms                                 p50      p99")
    hops = list(zip(*ai["hops_ns"], strict=True))
    names = (
        "ROS publish → middleware has it",
        "middleware → broker took it",
        "broker took it → in shared memory",
        "shared memory → Python woke",
        "Python: find disc, publish answer",
    )
    for name, values in zip(names, hops, strict=True):
        print(f"    {name:40} {percentile(list(values), 0.5):8.3f} {percentile(list(values), 0.99):8.3f}")
    trips = checker["round_trips_ns"]
    if trips:
        print(f"    {'image stamped → answer in a ROS node':40} {percentile(trips, 0.5):8.3f} {percentile(trips, 0.99):8.3f}")
    print("\n  the array lies at", ai["array"].get("address"), "in", ai["array"].get("segment"))
    print("  starts on a 64-byte boundary:", ai["array"].get("aligned_to_64"))
    print("  ROS or DDS libraries in the AI process:", ai["ros_libraries"] or "none")

    wrong = []
    if checker["wrong_count"] or not checker["answers"]:
        wrong.append(f"answers: {checker['answers']}, of which wrong: {checker['wrong_count']} {checker['wrong']}")
    if ai["seen"] + lost != camera["frames_sent"]:
        wrong.append(f"{camera['frames_sent']} images sent, but {ai['seen']} seen and {lost} counted as lost")
    if checker["answers"] != ai["seen"]:
        wrong.append(f"{ai['seen']} answers sent, {checker['answers']} arrived")
    if not str(ai["array"].get("segment", "")).startswith("/dev/shm/iceway_"):
        wrong.append("the array does not lie in an iceway segment")
    if not ai["array"].get("aligned_to_64"):
        wrong.append("the array is not 64-byte aligned")
    if ai["ros_libraries"]:
        wrong.append("the AI process has ROS libraries")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=12.0, help="how long the camera runs")
    parser.add_argument("--live", action="store_true", help="run until Ctrl-C")
    options = parser.parse_args()

    domain = str(20 + os.getpid() % 80)
    env = dict(os.environ, ROS_DOMAIN_ID=domain, ICEWAY_DOMAIN=domain, PYTHONUNBUFFERED="1")
    ros_env = dict(env, FASTRTPS_DEFAULT_PROFILES_FILE=str(ROOT / "config/fastdds_shm.xml"), RCUTILS_COLORIZED_OUTPUT="0")
    ros = [str(ROOT / "dev/ros"), "python3"]
    log_folder = Path(tempfile.mkdtemp(prefix="iceway-demo-"))
    parts: list[Part] = []

    def start(name: str, command: list[str], environment: dict[str, str]) -> Part:
        print(f"demo: starting {name}: {' '.join(c.replace(str(ROOT) + '/', '') for c in command)}", flush=True)
        parts.append(Part(name, command, environment, log_folder))
        return parts[-1]

    try:
        broker = start("broker", [str(ROOT / "dev/ros"), str(ROOT / "target/release/iceway"), "run"], ros_env)
        checker = start("checker", [*ros, "checker.py"], ros_env)
        detector = start("AI process", [str(ROOT / ".venv/bin/python"), "detector.py"], env)
        checker.wait_ready(20)
        detector.wait_ready(30)
        imu = start("imu", [*ros, "imu.py"], ros_env)
        camera = start("camera", [*ros, "camera.py"], ros_env)
        end = time.monotonic() + (float("inf") if options.live else options.seconds)
        shown = 0
        while time.monotonic() < end:
            for part in parts:
                part.check_alive()
            for line in checker.lines[shown:]:
                shown += 1
                if "progress" in line:
                    print(f"demo: {line['progress']} answers checked, {line['wrong']} wrong; disc at ({line['x']:.0f}, {line['y']:.0f})", flush=True)
            time.sleep(0.1)
    except KeyboardInterrupt:
        print()
    finally:
        if sys.exc_info()[0] is SystemExit:
            for part in reversed(parts):
                part.stop()
    # From the source to the sink, so that what is under way arrives.
    results = {part.name: part.stop() for part in (camera, imu)}
    time.sleep(0.5)
    results |= {part.name: part.stop() for part in (detector, checker)}
    broker.stop()
    wrong = report(results["camera"], results["imu"], results["AI process"], results["checker"])
    for sentence in wrong:
        print("demo: NOT RIGHT:", sentence)
    print(f"demo: {'failed; logs in ' + str(log_folder) if wrong else 'all right'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
