"""How messages introduce themselves."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from . import _iceway

_SHOWN = 5  # fields of a message in a repr, and items of a sequence
_WIDE = 60  # characters of a string


def message(msg: Any) -> str:
    """Return ``Image(1080x1920 rgb8, seq 17, 3.1 ms old)``, and the first fields of other types."""
    full = _iceway.type_name(msg)
    name = full.rsplit("/", 1)[-1]
    try:
        parts = [_KNOWN[full](msg)] if full in _KNOWN else _fields(msg)
        parts += _origin(msg)
    except Exception as error:  # a repr that raises hides what one wants to look at
        parts = [f"unreadable: {error}"]
    return f"{name}({', '.join(parts)})"


def _origin(msg: Any) -> list[str]:
    if not _iceway.is_root(msg):
        return []
    raw = _iceway.info(msg)
    origin, seq, source_ns = raw[3], raw[2], raw[5]
    if origin == "offline":
        return []
    parts = [f"seq {seq}"]
    if source_ns > 0:
        parts.append(f"{_age((time.time_ns() - source_ns) / 1e9)} old")
    return parts


def _age(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"


def _image(msg: Any) -> str:
    return f"{msg.height}x{msg.width} {msg.encoding}"


def _compressed(msg: Any) -> str:
    return f"{msg.format}, {len(msg.data)} bytes"


def _cloud(msg: Any) -> str:
    names = " ".join(field.name for field in msg.fields[:8])
    size = f"{msg.height}x{msg.width}" if msg.height > 1 else str(msg.width)
    return f"{size} points: {names}"


def _scan(msg: Any) -> str:
    return f"{len(msg.ranges)} ranges"


_KNOWN = {
    "sensor_msgs/msg/Image": _image,
    "sensor_msgs/msg/CompressedImage": _compressed,
    "sensor_msgs/msg/PointCloud2": _cloud,
    "sensor_msgs/msg/LaserScan": _scan,
}


def _fields(msg: Any) -> list[str]:
    names = _iceway.field_names(msg)
    shown = [f"{name}={_value(getattr(msg, name))}" for name in names[:_SHOWN]]
    return [*shown, "…"] if len(names) > _SHOWN else shown


def _value(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size <= _SHOWN and value.dtype.names is None:
            return str(value.tolist())
        kind = "struct" if value.dtype.names else str(value.dtype)
        return f"<{kind}[{len(value)}]>"
    if isinstance(value, _iceway.Sequence):
        return sequence(value)
    if isinstance(value, str) and len(value) > _WIDE:
        return repr(value[:_WIDE] + "…")
    if isinstance(value, float):
        return f"{value:.6g}"
    return repr(value)


def sequence(items: Any) -> str:
    """Return ``[a, b, …]`` with the first items."""
    shown = [_value(item) for item in items[:_SHOWN]]
    more = len(items) - len(shown)
    return f"[{', '.join(shown)}{f', … {more} more' if more else ''}]"
