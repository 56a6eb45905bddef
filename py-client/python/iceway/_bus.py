"""The bus: connecting, subscribing, publishing."""

from __future__ import annotations

import asyncio
import json
import os
import time
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar, cast

from . import _iceway
from ._errors import Closed, InvalidOption, Timeout
from ._wait import Readiness, await_any

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = [
    "Bus",
    "Notice",
    "Publisher",
    "PublisherStats",
    "QoS",
    "Subscription",
    "SubscriptionStats",
    "Topic",
    "connect",
]

M = TypeVar("M")
# `type` is a property of subscriptions and publishers.
ExceptionType = type[BaseException]


class QoS(NamedTuple):
    """Quality of service of the ROS side; what is ``None`` follows the topic's other end.

    Without a QoS a subscription takes what the publishers offer, so it matches always. Give one to ask for less,
    or to publish with other than ROS's default (reliable, volatile, depth 10).

        >>> iceway.QoS(reliability="best_effort", depth=5)
        QoS(reliability='best_effort', durability=None, history=None, depth=5, deadline_ms=None, lifespan_ms=None, liveliness=None)
    """

    reliability: Literal["reliable", "best_effort"] | None = None
    durability: Literal["volatile", "transient_local"] | None = None
    history: Literal["keep_last", "keep_all"] | None = None
    depth: int | None = None
    deadline_ms: int | None = None
    lifespan_ms: int | None = None
    liveliness: Literal["automatic", "manual_by_topic"] | None = None


def _qos_json(qos: QoS | Mapping[str, Any] | None) -> str | None:
    if qos is None:
        return None
    if isinstance(qos, QoS):
        fields: Mapping[str, Any] = qos._asdict()
    elif isinstance(qos, Mapping):
        fields = qos
    else:
        raise InvalidOption(f"qos is an iceway.QoS(...) or a dict with its fields, not {type(qos).__name__}")
    unknown = sorted(set(fields) - set(QoS._fields))
    if unknown:
        raise InvalidOption(f"qos has no {', '.join(unknown)}; it has {', '.join(QoS._fields)}")
    return json.dumps({name: value for name, value in fields.items() if value is not None})


class SubscriptionStats(TypedDict):
    """What became of the messages of a subscription."""

    received: int
    """Taken from shared memory."""
    delivered: int
    """Handed to you."""
    overflow: int
    """Lost because this process was slow: the queue was full; with ``depth=1``, a newer one replaced it."""
    stale: int
    """Dropped because they were older than ``max_age``."""
    skipped: int
    """Passed over by :meth:`Subscription.latest`."""
    lost_before: int
    """Lost before shared memory: by the middleware, or dropped at the broker."""
    writer_drops: int
    """Dropped by their writer: too large, or no memory."""
    malformed: int
    """Not readable."""
    borrow_limit: int
    """How often :class:`iceway.BorrowLimit` was raised."""
    alive: int
    """Messages of this subscription that are alive now."""


class PublisherStats(TypedDict):
    """What became of the messages of a publisher."""

    sent: int
    """Sent into shared memory."""
    dropped: int
    """Not written: too large, or no memory."""
    backpressure: int
    """Ended in :class:`iceway.Backpressure`."""
    unacknowledged: int
    """Sent, and not yet taken by ROS as far as known."""


class Topic(NamedTuple):
    """A topic that somebody offers or wants."""

    name: str
    types: tuple[str, ...]
    """Its type. More than one is a mistake in the system."""
    ros_publishers: int
    ros_subscriptions: int
    publishers: int
    """Publishers of AI processes."""
    subscribers: int
    """Subscriptions of AI processes."""
    bridged: bool
    """Whether the broker relays it at the moment."""


class Notice(NamedTuple):
    """Something that the broker wants you to know, such as an incompatible QoS."""

    severity: Literal["info", "warning", "error"]
    topic: str | None
    message: str


def _domain(domain: int | None) -> int:
    for name, text in (
        ("domain", domain),
        ("ICEWAY_DOMAIN", os.environ.get("ICEWAY_DOMAIN") or None),
        ("ROS_DOMAIN_ID", os.environ.get("ROS_DOMAIN_ID") or None),
    ):
        if text is None:
            continue
        try:
            number = int(text)
        except ValueError:
            number = -1
        if not 0 <= number < 2**32:
            raise InvalidOption(f"{name} is {text!r}, but a domain is a number from 0 on")
        return number
    return 0


def connect(domain: int | None = None, timeout: float = 5.0, *, name: str | None = None) -> Bus:
    """Connect to the broker of a domain.

        >>> with iceway.connect() as bus:
        ...     for msg in bus.subscribe("/camera/image_raw"):
        ...         print(iceway.image(msg).shape)
        ...         break
        (480, 640, 3)

    Args:
        domain: as ``ROS_DOMAIN_ID``; by default ``ICEWAY_DOMAIN``, then ``ROS_DOMAIN_ID``, then 0.
        timeout: how long to wait for a broker, in seconds.
        name: how the broker calls this process, for people.

    Raises:
        NoBroker: there was none in time. Start one with ``iceway run``.
        VersionMismatch: it is of a version that this package cannot work with.
    """
    return Bus(domain, timeout, name=name)


class Bus:
    """A connection to the broker. Every method may be called from any thread.

    If the broker restarts, subscriptions and publishers go on with the new one by themselves.
    """

    def __init__(self, domain: int | None = None, timeout: float = 5.0, *, name: str | None = None) -> None:
        self._domain = _domain(domain)
        self._children: weakref.WeakSet[Subscription[Any] | Publisher] = weakref.WeakSet()
        self._native = _iceway.Client(
            self._domain,
            os.environ.get("ICEWAY_ROOT") or None,
            f"python-{os.getpid()}" if name is None else name,
            timeout,
        )

    @property
    def domain(self) -> int:
        """The domain's number."""
        return self._domain

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._native.closed

    @property
    def broker_alive(self) -> bool:
        """Whether there is a broker at the moment. It may be back soon."""
        return self._native.broker_alive

    def subscribe(
        self,
        topic: str,
        type: str | _iceway.Schema | None = None,
        *,
        depth: int = 1,
        max_age: float | None = None,
        wait: Literal["sleep", "spin"] = "sleep",
        qos: QoS | Mapping[str, Any] | None = None,
        definition: str | None = None,
        timeout: float = 5.0,
    ) -> Subscription[Any]:
        """Subscribe to a topic.

            >>> bus.subscribe("/camera/image_raw", "sensor_msgs/msg/Image", max_age=0.1)
            <iceway.Subscription to /camera/image_raw (sensor_msgs/msg/Image), depth 1>

        Args:
            topic: the topic's name, ``/camera/image_raw``.
            type: ``"sensor_msgs/msg/Image"``, or a :class:`iceway.Schema`. Without it the type is that of the
                topic's publishers, which are waited for.
            depth: 1: always the newest message, older ones are released at once. N: a queue of N messages per
                publisher, of which the oldest is dropped when it is full.
            max_age: skip messages that are older than this many seconds, since their publisher sent them.
            wait: how :meth:`Subscription.recv` waits. ``"spin"``: it looks for messages all the time, without the GIL, and has
                them some tens of µs earlier; for control loops that can give a core away.
            qos: by default what the publishers offer.
            definition: the type's text, for a broker without ROS; a :class:`iceway.Schema` brings it along.
            timeout: how long to wait for the topic to appear, in seconds.

        Raises:
            UnknownTopic: nobody published the topic in time, and no type was given.
            UnknownType: the type is not installed where the broker runs.
            TypeMismatch: the topic has another type.
        """
        _check_name(topic)
        if isinstance(depth, bool) or not isinstance(depth, int):
            raise InvalidOption(f"depth is {depth!r}, but it is a number of messages, 1 or more")
        if depth < 1:
            raise InvalidOption(f"depth is {depth}, but at least 1 message must be kept")
        if wait not in ("sleep", "spin"):
            raise InvalidOption(f"wait is {wait!r}, but it is 'sleep' or 'spin'")
        name, definition = _type(type, definition)
        native = self._native.subscribe(
            topic, name, definition, depth, max_age, wait == "spin", _qos_json(qos), timeout
        )
        subscription: Subscription[Any] = Subscription(native, depth)
        self._children.add(subscription)
        return subscription

    def advertise(
        self,
        topic: str,
        type: str | _iceway.Schema,
        *,
        qos: QoS | Mapping[str, Any] | None = None,
        definition: str | None = None,
        timeout: float = 5.0,
    ) -> Publisher:
        """Become a publisher of a topic. When this returns, everybody who listens is connected.

            >>> pub = bus.advertise("/chat", "std_msgs/msg/String")
            >>> pub.publish(data="hello")
            >>> pub.stats["sent"]
            1

        Args:
            topic: the topic's name, ``/detections``.
            type: ``"geometry_msgs/msg/PointStamped"``, or a :class:`iceway.Schema`.
            qos: of the ROS publisher; by default reliable, volatile, depth 10.
            definition: the type's text, for a broker without ROS; a :class:`iceway.Schema` brings it along.
            timeout: how long to wait for the broker, in seconds.
        """
        _check_name(topic)
        name, definition = _type(type, definition)
        if name is None:
            raise InvalidOption(f"{topic}: the type of a topic to publish is needed, e.g. 'std_msgs/msg/String'")
        native = self._native.advertise(topic, name, definition, _qos_json(qos), timeout)
        publisher = Publisher(native, self._native)
        self._children.add(publisher)
        return publisher

    def topics(self) -> list[Topic]:
        """Return all topics that there are, in ROS and among AI processes."""
        return [
            Topic(
                found["name"],
                tuple(found["types"]),
                found["ros_publishers"],
                found["ros_subscriptions"],
                found["publishers"],
                found["subscribers"],
                found["bridged"],
            )
            for found in json.loads(self._native.topics())
        ]

    def schema(self, type: str) -> _iceway.Schema:
        """Return the schema of a type that is installed where the broker runs."""
        return self._native.describe(type)

    def notices(self) -> list[Notice]:
        """Return what the broker said since the last call: incompatible QoS, lost messages and the like."""
        return [Notice(*notice) for notice in self._native.take_notices()]

    def stats(self) -> dict[str, Any]:
        """Return the broker's counters, as nested dicts."""
        found: dict[str, Any] = json.loads(self._native.stats())
        return found

    def broker(self) -> dict[str, Any]:
        """Return what the broker said of itself: version, process id, limits."""
        found: dict[str, Any] = json.loads(self._native.broker())
        return found

    def close(self) -> None:
        """End the connection and everything made from it. Messages and arrays in hand stay valid."""
        for child in list(self._children):
            child.close()
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: ExceptionType | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "connected" if self.broker_alive else "waiting for a broker"
        return f"<iceway.Bus of domain {self._domain}, {state}>"


def _check_name(topic: Any) -> None:
    if not isinstance(topic, str):
        raise InvalidOption(f"a topic is a text such as '/camera/image_raw', not {topic!r}")


def _type(of: str | _iceway.Schema | None, definition: str | None) -> tuple[str | None, str | None]:
    if isinstance(of, _iceway.Schema):
        return of.type_name, of.definition
    if definition is not None and of is None:
        raise InvalidOption("a definition needs the type's name, e.g. 'demo_msgs/msg/Reading'")
    if of is None or isinstance(of, str):
        return of, definition
    raise InvalidOption(f"a type is a text such as 'std_msgs/msg/String', or an iceway.Schema, not {of!r}")


class Subscription(Generic[M]):
    """Messages of one topic. Made by :meth:`Bus.subscribe`.

        >>> camera = bus.subscribe("/camera/image_raw")
        >>> msg = camera.recv(timeout=5.0)
        >>> msg
        Image(480x640 rgb8, seq ..., ... ms old)
        >>> msg.header.frame_id, msg.data.shape
        ('camera', (921600,))

    It is an iterator and an async iterator; both end when the subscription is closed:

        >>> async def first_height():
        ...     async for msg in camera:
        ...         return msg.height
        >>> import asyncio
        >>> asyncio.run(first_height())
        480
    """

    def __init__(self, native: _iceway.Subscriber, depth: int) -> None:
        self._native = native
        self._depth = depth
        self._readiness = Readiness(native.fileno())

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self._native.topic

    @property
    def type(self) -> str:
        """The message type, ``sensor_msgs/msg/Image``."""
        return self._native.schema.type_name

    @property
    def schema(self) -> _iceway.Schema:
        """The message type with its definition."""
        return self._native.schema

    @property
    def depth(self) -> int:
        """How many messages are kept."""
        return self._depth

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._native.closed

    @property
    def stats(self) -> SubscriptionStats:
        """What became of the messages so far."""
        stats = zip(SubscriptionStats.__annotations__, self._native.stats(), strict=True)
        return cast("SubscriptionStats", dict(stats))

    def recv(self, timeout: float | None = None) -> M:
        """Return the next message (with ``depth=1``: the newest), waiting for it.

        Other threads run meanwhile. While the broker is away it goes on waiting.

        Raises:
            Timeout: nothing came within ``timeout`` seconds. It is a :class:`TimeoutError`.
            BorrowLimit: too many messages of this subscription are alive.
        """
        msg: M = self._native.recv(timeout)
        return msg

    def try_recv(self) -> M | None:
        """Return the next message if there is one now, else ``None``."""
        msg: M | None = self._native.try_recv()
        return msg

    def latest(self) -> M | None:
        """Return the newest message that ever arrived, without waiting; ``None`` before the first.

        Messages that are older are skipped. If none came since the last call, it is the same message again
        (unless it was released). From the first call on, the subscription holds its last message for that.
        """
        msg: M | None = self._native.latest()
        return msg

    async def arecv(self, timeout: float | None = None) -> M:
        """Like :meth:`recv`, for asyncio."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            msg = self.try_recv()
            if msg is not None:
                return msg
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise Timeout(
                    f"nothing arrived on {self.topic} within {timeout} s. `iceway topics` shows whether it is published, and "
                    f"bus.notices() what the broker found wrong, such as an incompatible QoS"
                )
            await await_any((self,), left)

    def fileno(self) -> int:
        """Return a file descriptor for ``select``, ``epoll`` and event loops.

        It is readable when there may be a message: then call :meth:`try_recv` until it returns ``None``. Do not
        read from it or close it.
        """
        return self._native.fileno()

    def close(self) -> None:
        """End the subscription. Messages and arrays in hand stay valid."""
        self._readiness.close()
        self._native.close()

    def __iter__(self) -> Self:
        self._check_open()
        return self

    def __next__(self) -> M:
        try:
            return self.recv()
        except Closed:
            raise StopIteration from None

    def __aiter__(self) -> Self:
        self._check_open()
        return self

    async def __anext__(self) -> M:
        try:
            msg = await self.arecv()
        except Closed:
            raise StopAsyncIteration from None
        # Messages that are there already must not starve the loop's other tasks.
        await asyncio.sleep(0)
        return msg

    def _check_open(self) -> None:
        if self.closed:
            raise Closed(f"the subscription to {self.topic} was closed: subscribe again")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: ExceptionType | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"depth {self._depth}"
        return f"<iceway.Subscription to {self.topic} ({self.type}), {state}>"


class Publisher:
    """Writes messages of one topic. Made by :meth:`Bus.advertise`."""

    def __init__(self, native: _iceway.Publisher, client: _iceway.Client) -> None:
        self._native = native
        self._client = client

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self._native.topic

    @property
    def type(self) -> str:
        """The message type, ``geometry_msgs/msg/PointStamped``."""
        return self._native.schema.type_name

    @property
    def schema(self) -> _iceway.Schema:
        """The message type with its definition."""
        return self._native.schema

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._native.closed

    @property
    def stats(self) -> PublisherStats:
        """What became of the messages so far."""
        stats = zip(PublisherStats.__annotations__, self._native.stats(), strict=True)
        return cast("PublisherStats", dict(stats))

    @property
    def subscribers(self) -> int:
        """How many receive it: subscriptions of AI processes and of ROS nodes. Asks the broker."""
        for topic in json.loads(self._client.topics()):
            if topic["name"] == self.topic:
                return int(topic["subscribers"]) + int(topic["ros_subscriptions"])
        return 0

    def publish(self, message: Any = None, /, **fields: Any) -> None:
        """Publish a message: either its fields, or a whole message.

        Fields that are not given have their ROS defaults. Nested messages are messages, dicts, or any objects
        with the right attributes; arrays are arrays, or lists. Nothing is narrowed silently: an array of another
        dtype than its field's is an error.

            >>> msg = bus.subscribe("/camera/image_raw").recv(timeout=5.0)
            >>> pub = bus.advertise("/center", "geometry_msgs/msg/PointStamped")
            >>> pub.publish(header=msg.header, point={"x": 320.0, "y": 240.0}, cause=msg)

        A message that was received is sent on as it is, without being decoded:

            >>> bus.advertise("/camera/again", "sensor_msgs/msg/Image").publish(msg)

        Options (where the type has a field of the same name, write them with an underscore behind, ``cause_``):

        - ``cause``: the message that this one was computed from; its receivers see when that was sent.
        - ``casting``: ``"same_kind"`` lets arrays be converted to smaller dtypes.
        - ``timeout``: how many seconds to wait when ROS is slower than you, or the broker restarts (1.0).

        Raises:
            UnknownField, FieldTypeError, FieldValueError: a value does not fit; the text names the field.
            Backpressure: ROS was too slow.
            BrokerGone: there was no broker.
            TooLarge, NoMemory: there is no room for it.
        """
        self._native.publish(message, fields)

    def _publish_unchecked(self, data: bytes) -> None:
        """Send bytes as they are, to see what receivers do with them."""
        self._native.publish_unchecked(data)

    def loan(self, **fields: Any) -> _iceway.Loan:
        """Write a message in place, in the shared memory that it is sent from.

        Arrays are given as their lengths, and filled in the block; all else as in :meth:`publish`. The message
        is sent when the block ends, and not if it raises. Arrays hold arbitrary values until they are filled.

            >>> pub = bus.advertise("/mask", "sensor_msgs/msg/Image")
            >>> with pub.loan(height=480, width=640, encoding="mono8", step=640, data=480 * 640) as msg:
            ...     mask = iceway.image(msg)
            ...     mask[...] = 0
            ...     mask[100:200, 50:] = 255

        After the block the message cannot be used, and arrays taken from it are read-only. Loans of one
        publisher cannot be nested.
        """
        return self._native.loan(fields)

    def close(self) -> None:
        """Stop publishing the topic. What was published is still delivered."""
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: ExceptionType | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        state = ", closed" if self.closed else ""
        return f"<iceway.Publisher of {self.topic} ({self.type}){state}>"
