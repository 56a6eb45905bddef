"""Time synchronisation of several topics, as ROS's ``message_filters`` defines it."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._errors import Closed, FieldTypeError, InvalidOption, Timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._bus import Subscription

__all__ = ["Sync", "Synchronizer", "stamp_ns", "sync"]

T = TypeVar("T")


def stamp_ns(msg: Any) -> int:
    """Return ``msg.header.stamp`` in nanoseconds."""
    try:
        stamp = msg.header.stamp
    except AttributeError:
        raise FieldTypeError(
            f"synchronising needs messages with a header.stamp, which {msg!r} has not: pass stamp=, a function "
            f"that returns a message's time in nanoseconds, e.g. stamp=lambda m: iceway.info(m).source_ns"
        ) from None
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


class Synchronizer(Generic[T]):
    """The matching itself, without any waiting: items go in one by one, matched sets come out.

    With ``slop == 0`` it is ``message_filters.TimeSynchronizer``: a set has equal stamps. Otherwise it is
    ``message_filters.ApproximateTimeSynchronizer``: an arriving item is matched with those of the other queues
    that are at most ``slop`` away from it, nearest first; a set is complete when its stamps span less than
    ``slop``. Either way each queue keeps the ``queue_size`` newest stamps, and an item is used once.

        >>> both = iceway.Synchronizer(2, slop=0.01)
        >>> both.add(0, 1_000_000_000, "left"), both.add(1, 1_004_000_000, "right")
        ([], [('left', 'right')])
    """

    def __init__(self, count: int, slop: float = 0.0, queue_size: int = 10) -> None:
        if count < 1:
            raise InvalidOption("there is nothing to synchronise: pass at least one subscription")
        if not slop >= 0:
            raise InvalidOption(f"slop is {slop!r}, but it is a time in seconds, 0 or more")
        if queue_size < 1:
            raise InvalidOption(f"queue_size is {queue_size!r}, but each queue must hold at least one message")
        self._slop_ns = int(slop * 1_000_000_000)
        self._queue_size = queue_size
        self._queues: list[dict[int, T]] = [{} for _ in range(count)]
        self.dropped = 0

    def add(self, index: int, stamp: int, item: T) -> list[tuple[T, ...]]:
        """Add an item with its time in nanoseconds to queue ``index``; return the sets that it completes."""
        queue = self._queues[index]
        self.dropped += stamp in queue
        queue[stamp] = item
        while len(queue) > self._queue_size:
            del queue[min(queue)]
            self.dropped += 1
        return self._match(index, stamp) if self._slop_ns else self._match_exactly()

    def _match_exactly(self) -> list[tuple[T, ...]]:
        common = set(self._queues[0]).intersection(*self._queues[1:])
        return [tuple(queue.pop(stamp) for queue in self._queues) for stamp in sorted(common)]

    def _match(self, index: int, stamp: int) -> list[tuple[T, ...]]:
        candidates: list[list[int]] = []
        for other, queue in enumerate(self._queues):
            if other == index:
                candidates.append([stamp])
                continue
            # Sorting is stable: of two stamps equally far away the earlier arrived wins.
            near = sorted((s for s in queue if abs(s - stamp) <= self._slop_ns), key=lambda s: abs(s - stamp))
            if not near:
                return []
            candidates.append(near)
        if stamp not in self._queues[index]:
            return []  # it was older than everything in a full queue
        for stamps in itertools.product(*candidates):
            if max(stamps) - min(stamps) < self._slop_ns:
                return [tuple(queue.pop(s) for queue, s in zip(self._queues, stamps, strict=True))]
        return []


class Sync:
    """Matched messages of several subscriptions: an iterator, and an async iterator, over tuples."""

    def __init__(
        self,
        subs: Iterable[Subscription[Any]],
        slop: float,
        queue_size: int,
        stamp: Callable[[Any], int],
    ) -> None:
        self._subs = tuple(subs)
        self._stamp = stamp
        self._matcher: Synchronizer[Any] = Synchronizer(len(self._subs), slop, queue_size)
        self._ready: list[tuple[Any, ...]] = []

    @property
    def dropped(self) -> int:
        """How many messages left a full queue without a match so far."""
        return self._matcher.dropped

    def try_recv(self) -> tuple[Any, ...] | None:
        """Return the next matched set if there is one now, else ``None``."""
        while not self._ready:
            arrived = False
            for index, sub in enumerate(self._subs):
                msg = sub.try_recv()
                if msg is not None:
                    arrived = True
                    self._ready += self._matcher.add(index, self._stamp(msg), msg)
            if not arrived:
                return None
        return self._ready.pop(0)

    def recv(self, timeout: float | None = None) -> tuple[Any, ...]:
        """Return the next matched set, one message per subscription.

        Raises:
            Timeout: none was complete within ``timeout`` seconds.
        """
        from ._wait import wait

        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            found = self.try_recv()
            if found is not None:
                return found
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise Timeout(self._late(timeout))
            wait(self._subs, left)

    async def arecv(self, timeout: float | None = None) -> tuple[Any, ...]:
        """Like :meth:`recv`, for asyncio."""
        from ._wait import await_any

        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            found = self.try_recv()
            if found is not None:
                return found
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise Timeout(self._late(timeout))
            await await_any(self._subs, left)

    def _late(self, timeout: float | None) -> str:
        waiting = ", ".join(f"{sub.topic}: {sub.stats['received']} messages" for sub in self._subs)
        return (
            f"no matching set arrived within {timeout} s ({waiting}). If all arrive, their stamps differ by more "
            f"than slop, or depth is too small: subscribe with depth=10 or more"
        )

    def __iter__(self) -> Sync:
        """Iterate over matched sets until a subscription is closed."""
        return self

    def __next__(self) -> tuple[Any, ...]:
        try:
            return self.recv()
        except Closed:
            raise StopIteration from None

    def __aiter__(self) -> Sync:
        """Iterate over matched sets until a subscription is closed."""
        return self

    async def __anext__(self) -> tuple[Any, ...]:
        try:
            return await self.arecv()
        except Closed:
            raise StopAsyncIteration from None

    def __repr__(self) -> str:
        topics = ", ".join(sub.topic for sub in self._subs)
        return f"<iceway.Sync of {topics}, slop {self._matcher._slop_ns / 1e9} s>"


def sync(
    subs: Iterable[Subscription[Any]],
    slop: float = 0.02,
    *,
    queue_size: int = 10,
    stamp: Callable[[Any], int] | None = None,
) -> Sync:
    """Match messages of several topics by their time.

    The results are those of ROS's ``message_filters`` for Python on the same messages in the same order:
    ``TimeSynchronizer`` for ``slop=0``, ``ApproximateTimeSynchronizer`` otherwise.

        >>> cameras = [bus.subscribe(f"/{side}/image_raw", depth=10) for side in ("left", "right")]
        >>> for left, right in iceway.sync(cameras, slop=0.01):
        ...     print(left.header.stamp == right.header.stamp)
        ...     break
        True

    Args:
        subs: the subscriptions. Give them a ``depth`` of a few messages: with ``depth=1`` a message that waits
            for its partner's is replaced by the next.
        slop: how far apart the times of a set may be, in seconds; 0 for equal times.
        queue_size: how many messages of each topic are kept while they wait for a match.
        stamp: a message's time in nanoseconds; by default ``msg.header.stamp``.
    """
    return Sync(subs, slop, queue_size, stamp or stamp_ns)
