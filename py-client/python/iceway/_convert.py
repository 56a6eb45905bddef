"""What can be done with any message: turn it into a dict, copy it, give it back, ask where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import numpy as np

from . import _iceway
from ._errors import FieldTypeError, InvalidOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Info", "copy", "dlpack", "info", "release", "to_dict"]

M = TypeVar("M")


class Info(NamedTuple):
    """What is known about a message besides its fields. Times are in nanoseconds, 0 where unknown.

    ``source_ns``, ``received_ns`` and ``taken_ns`` are on the wall clock (``time.time_ns()``), ``taken_mono_ns``,
    ``sent_ns`` and ``woken_ns`` on the monotonic one (``time.monotonic_ns()``).
    """

    topic: str
    """The topic, empty for messages that came from no topic."""
    type: str
    """The message type, ``sensor_msgs/msg/Image``."""
    seq: int
    """Counts the frames of one writer; a gap is a loss."""
    origin: Literal["ros", "ai", "offline"]
    """Who wrote it: a ROS node, another process on this bus, or nobody (offline bytes and copies)."""
    publisher: str
    """The ROS publisher's gid in hexadecimal; for others the participant's id."""
    source_ns: int
    """When the publisher sent it."""
    received_ns: int
    """When the middleware received it."""
    taken_ns: int
    """When the broker took it from the middleware."""
    taken_mono_ns: int
    """The same moment on the monotonic clock."""
    sent_ns: int
    """When it was put into shared memory (monotonic)."""
    woken_ns: int
    """When this process received it (monotonic)."""
    cause_ns: int
    """``source_ns`` of the message that this one was computed from."""
    lost_before: int
    """Frames of this topic that were lost before they reached shared memory, since the route began."""
    retained: bool
    """True for the stored message of a latched topic."""
    middleware_s: float
    """Seconds from the publisher to the middleware of the broker."""
    broker_s: float
    """Seconds from the middleware's reception to shared memory."""
    hop_s: float
    """Seconds through shared memory into this process."""


def info(msg: Any) -> Info:
    """Return where a message came from and how long each hop took.

        >>> msg = bus.subscribe("/camera/image_raw").recv(timeout=5.0)
        >>> info = iceway.info(msg)
        >>> info.topic, info.origin, info.hop_s < 1
        ('/camera/image_raw', 'ai', True)

    It works for nested messages too, and tells about the message that they are part of.
    """
    return Info(*_iceway.info(_check(msg, "info")))


def copy(msg: M) -> M:
    """Return an independent copy of a message in private memory; arrays and numbers of it can be written to.

    It holds no shared memory, so it can be kept for as long as you like.

        >>> msg = iceway.copy(bus.subscribe("/camera/image_raw").recv(timeout=5.0))
        >>> iceway.image(msg)[:10] = 0
        >>> msg.header.stamp.sec = 7
    """
    copied: M = _iceway.copy(_check(msg, "copy"))
    return copied


def release(msg: Any) -> bool:
    """Give a received message's memory back now, instead of when the last reference to it goes.

    The message and everything nested in it raise :class:`iceway.Released` from then on. Arrays that were taken
    from it stay valid: memory is never reused under a live array. The result says whether the memory is free
    now (``True``), or whether arrays still hold it.

        >>> msg = bus.subscribe("/camera/image_raw").recv(timeout=5.0)
        >>> iceway.release(msg)
        True
    """
    return _iceway.release(_check(msg, "release"))


def dlpack(array: NDArray[Any]) -> Any:
    """Return a DLPack capsule of a read-only array, for libraries that know only DLPack's first version.

    TensorFlow is one: it takes the memory without copying it, and never writes to it.

        tensor = tf.experimental.dlpack.from_dlpack(iceway.dlpack(iceway.image(msg)))

    The first version has no way to say that memory is read-only. A library that writes to it ends the process, so
    give others the array itself: ``torch.from_dlpack(array)``, ``jax.device_put(array)``.
    """
    if not isinstance(array, np.ndarray):
        raise FieldTypeError(f"iceway.dlpack takes an array, not {type(array).__name__}")
    return _iceway.dlpack(array)


def to_dict(msg: Any, *, arrays: Literal["copy", "view", "list"] = "copy") -> dict[str, Any]:
    """Return a message as nested dicts, lists, numbers and strings.

        >>> msg = bus.subscribe("/camera/image_raw").recv(timeout=5.0)
        >>> iceway.to_dict(msg.header)
        {'stamp': {'sec': 1, 'nanosec': 0}, 'frame_id': 'camera'}

    Args:
        msg: a message.
        arrays: what becomes of arrays of numbers: ``"copy"`` (an array of its own), ``"view"`` (which keeps the
            message's memory alive) or ``"list"`` (as JSON wants it, slow for large ones).
    """
    _check(msg, "to_dict")
    try:
        convert = _ARRAYS[arrays]
    except KeyError:
        raise InvalidOption(f"arrays is {arrays!r}, but can be 'copy', 'view' or 'list'") from None
    result: dict[str, Any] = _plain(msg, convert)
    return result


def _structured_list(array: Any) -> Any:
    """Turn structured scalars into dicts, as nested messages are."""
    names = array.dtype.names
    if names is None:
        return array.tolist()
    columns = [_structured_list(array[name]) for name in names]
    if array.ndim == 0:
        return dict(zip(names, columns, strict=True))
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


_ARRAYS: dict[str, Callable[[Any], Any]] = {
    "copy": np.copy,
    "view": lambda array: array,
    "list": _structured_list,
}


def _plain(value: Any, convert: Callable[[Any], Any]) -> Any:
    if isinstance(value, _iceway.Message):
        return {name: _plain(getattr(value, name), convert) for name in _iceway.field_names(value)}
    if isinstance(value, np.ndarray):
        return convert(value)
    if isinstance(value, _iceway.Sequence):
        return [_plain(item, convert) for item in value]
    return value


def _check(msg: Any, what: str) -> Any:
    if not isinstance(msg, _iceway.Message):
        raise FieldTypeError(f"iceway.{what} takes a message of iceway, not {type(msg).__name__}")
    return msg
