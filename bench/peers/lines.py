"""What the Python peers of the benchmarks share: orders as lines of JSON on stdin, answers on stdout (see bench/src/orders.rs)."""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

Order = dict[str, Any]
ENCODING = "mono8"


def serve(actions: dict[str, Callable[..., Any]]) -> None:
    """Answer orders until the parent closes the pipe."""
    for line in sys.stdin:
        order = json.loads(line)
        name = order.pop("do")
        try:
            if name not in actions:
                raise LookupError(f"this peer cannot {name}")
            answer = {"ok": actions[name](**order)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


class Inbox:
    """Samples of a receiver: number, when, whole time, parts. Kept plain, so that adding one costs little."""

    def __init__(self, hops: tuple[str, ...] = ()) -> None:
        self.hops = hops
        self.samples: list[tuple[int, ...]] = []
        self.received = 0

    def forget(self) -> None:
        """Begin anew."""
        self.samples = []
        self.received = 0

    def collect(self, last: int, timeout_s: float, dropped: dict[str, int] | None = None) -> dict[str, Any]:
        """Wait for the image numbered ``last``, and take all samples."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and not (self.samples and self.samples[-1][0] >= last):
            time.sleep(0.02)
        samples, self.samples = self.samples, []
        return {"hops": self.hops, "samples": samples, "received": max(self.received, len(samples)), "dropped": dropped or {}}


class Pace:
    """Sleeps to keep a rate; with rate 0 not at all."""

    def __init__(self, rate_hz: float) -> None:
        self._period = 1 / rate_hz if rate_hz > 0 else 0.0
        self._next = time.monotonic()

    def wait(self) -> None:
        """Sleep until the next one is due."""
        self._next += self._period
        left = self._next - time.monotonic()
        if left > 0:
            time.sleep(left)


class Inference:
    """A loop that computes: a layer of a small network, in NumPy. A tick looks at the newest images, if there are any."""

    SIZE = 192

    def __init__(self) -> None:
        import numpy as np

        self._weights = np.random.default_rng(1).standard_normal((self.SIZE, self.SIZE), np.float32)
        self._state = np.random.default_rng(2).standard_normal((self.SIZE, self.SIZE), np.float32)

    def run(self, seconds: float, newest: Callable[[], int]) -> dict[str, float]:
        """Tick for some seconds; ``newest`` fetches what is new and says how many images that were."""
        ticks = images = 0
        start = time.perf_counter()
        end = start + seconds
        state, weights = self._state, self._weights
        while time.perf_counter() < end:
            images += newest()
            # Some layers with Python between them, as in a real loop.
            for _ in range(4):
                state = state @ weights
                state *= 1.0 / float(abs(state[0, 0]) + 1.0)
            ticks += 1
        return {"ticks": ticks, "seconds": time.perf_counter() - start, "images": images}


def in_thread(action: Callable[[], None]) -> threading.Thread:
    """Run something beside the orders."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread
