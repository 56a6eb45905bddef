"""What the libraries beside iceway share in the benchmark `hop`: a sender and a receiver, both Python, and a mark in front of each message."""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from lines import Inbox, Pace, in_thread, serve

# Number, and CLOCK_MONOTONIC right before the send in nanoseconds.
MARK = struct.Struct("<qq")
# As many messages as iceway's receivers keep in this benchmark.
DEPTH = 64


class Pair(ABC):
    """The actions of both ends; a process is one of them."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []

    @abstractmethod
    def open_sender(self, topic: str) -> None:
        """Become the sender."""

    @abstractmethod
    def await_receiver(self, timeout_s: float) -> None:
        """Wait until the receiver is there."""

    @abstractmethod
    def publish(self, number: int, data: bytes) -> None:
        """Write a message, all but its mark, as near to its destination as the library lets one; then mark it, and send it."""

    @abstractmethod
    def open_receiver(self, topic: str) -> None:
        """Become the receiver: each message goes to ``arrived``."""

    def arrived(self, message: np.ndarray[Any, np.dtype[np.uint8]], now: int) -> None:
        """A message, mark and data, whose array was in hand at ``now``."""
        number, sent = MARK.unpack_from(message)
        self.inbox.samples.append((number, now, now - sent))

    def receive(self, take: Callable[[], None]) -> None:
        """Call ``take``, which waits for messages but not for long after the end, again and again."""

        def work() -> None:
            while not self.stopping.is_set():
                take()

        self.threads.append(in_thread(work))

    def advertise(self, topics: list[str]) -> None:
        """Become the sender of one topic."""
        self.open_sender(topics[0])

    def await_subscribers(self, topics: list[str], count: int, timeout_s: float) -> None:
        """Wait until the receiver is there."""
        self.await_receiver(timeout_s)

    def subscribe(self, topics: list[str], depth: int, spin: bool) -> None:
        """Become the receiver of one topic."""
        self.open_receiver(topics[0])

    def send(self, topics: list[str], bytes: int, first: int, count: int, rate_hz: float) -> dict[str, Any]:
        """Send some messages."""
        pace, data, start = Pace(rate_hz), b"\1" * bytes, time.monotonic()
        for number in range(first, first + count):
            pace.wait()
            self.publish(number, data)
        return {"sent": count, "seconds": time.monotonic() - start}

    def close(self) -> None:
        """End, whichever end this was."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(2)


def wait_until(what: str, timeout_s: float, done: Callable[[], bool]) -> None:
    """Look often whether something is done."""
    end = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.01)


def mark(number: int) -> bytes:
    """The mark of a message that is sent now."""
    return MARK.pack(number, time.monotonic_ns())


def run(make: Callable[[], Pair]) -> None:
    """Serve until the parent ends. What the library prints goes to stderr: stdout is for answers."""
    sys.stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Also in the middle of sending: shared memory is given back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    pair = make()
    try:
        serve(
            {
                "advertise": pair.advertise,
                "await_subscribers": pair.await_subscribers,
                "subscribe": pair.subscribe,
                "send": pair.send,
                "collect": pair.inbox.collect,
            }
        )
    finally:
        pair.close()
