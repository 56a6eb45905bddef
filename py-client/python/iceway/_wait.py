"""Waiting for several subscriptions, blocking or in asyncio."""

from __future__ import annotations

import asyncio
import select
import threading
import time
from typing import TYPE_CHECKING, Any

from ._errors import Closed, InvalidOption

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._bus import Subscription

__all__ = ["wait"]


def wait(subs: Iterable[Subscription[Any]], timeout: float | None = None) -> list[Subscription[Any]]:
    """Wait until at least one of several subscriptions has a message; return those that have one.

    The list is empty if ``timeout`` seconds passed. Other threads run meanwhile, and Ctrl-C ends the wait.

        >>> cameras = [bus.subscribe("/left/image_raw"), bus.subscribe("/right/image_raw")]
        >>> for sub in iceway.wait(cameras, timeout=5.0):
        ...     msg = sub.try_recv()
    """
    subs = list(subs)
    if not subs:
        raise InvalidOption("there is nothing to wait for: pass at least one subscription")
    deadline = None if timeout is None else time.monotonic() + timeout
    poll: select.poll | None = None
    while True:
        ready = [sub for sub in subs if sub._native.poll()]
        if ready:
            return ready
        if poll is None:
            poll = select.poll()
            for sub in subs:
                poll.register(sub.fileno(), select.POLLIN)
        # Bounded, so that a subscription that another thread closes is noticed.
        left = 0.5
        if deadline is not None:
            left = min(left, deadline - time.monotonic())
            if left <= 0:
                return []
        poll.poll(left * 1000)


class Readiness:
    """Lets coroutines wait for a file descriptor, in any number of event loops."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._closed = False
        self._waiters: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}

    def add(self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
        """Resolve ``future`` when the descriptor is readable."""
        with self._lock:
            if self._closed:
                raise Closed("the subscription was closed")
            waiters = self._waiters.setdefault(loop, [])
            waiters.append(future)
            if len(waiters) == 1:
                loop.add_reader(self._fd, self._wake, loop)

    def discard(self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
        """Forget a future that nobody waits for any more."""
        with self._lock:
            waiters = self._waiters.get(loop)
            if waiters is not None and future in waiters:
                waiters.remove(future)
                if not waiters:
                    del self._waiters[loop]
                    if not loop.is_closed():
                        loop.remove_reader(self._fd)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        # The reader goes with the waiters: the descriptor stays readable until somebody takes the message.
        with self._lock:
            waiters = self._waiters.pop(loop, ())
            loop.remove_reader(self._fd)
        for future in waiters:
            if not future.done():
                future.set_result(None)

    def close(self) -> None:
        """Wake everybody; call it before the descriptor is closed."""
        with self._lock:
            self._closed = True
            loops = list(self._waiters)
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        for loop in loops:
            if loop is here:
                self._wake(loop)
                continue
            done = threading.Event()

            def wake(loop: asyncio.AbstractEventLoop = loop, done: threading.Event = done) -> None:
                self._wake(loop)
                done.set()

            try:
                loop.call_soon_threadsafe(wake)
            except RuntimeError:
                continue  # that loop is closed, and its readers with it
            # The descriptor may be reused once it is closed, so the loop must have let go of it.
            done.wait(1.0)


async def await_any(subs: Iterable[Subscription[Any]], timeout: float | None) -> None:
    """Wait in asyncio until one of the subscriptions is readable, or the time is over."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    subs = list(subs)
    added: list[Readiness] = []
    handle = None
    try:
        for sub in subs:
            sub._readiness.add(loop, future)
            added.append(sub._readiness)
        if timeout is not None:
            handle = loop.call_later(timeout, _expire, future)
        await future
    finally:
        if handle is not None:
            handle.cancel()
        for readiness in added:
            readiness.discard(loop, future)


def _expire(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
