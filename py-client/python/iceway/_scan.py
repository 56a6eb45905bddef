"""Laser scans of ``sensor_msgs/msg/LaserScan``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _iceway
from ._errors import FieldTypeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Scan", "scan"]


class Scan(NamedTuple):
    """A laser scan: what the message holds, and what follows from it.

    ``ranges`` (metres) and ``intensities`` are views of the message's ``float32`` arrays; ``intensities`` has
    length 0 when the device gives none. ``angles`` (radians, ``float32``, counter-clockwise about +z) and
    ``valid`` (``range_min <= range <= range_max``) are computed.
    """

    ranges: NDArray[np.float32]
    angles: NDArray[np.float32]
    intensities: NDArray[np.float32]
    valid: NDArray[np.bool_]

    def xy(self) -> NDArray[np.float32]:
        """Return the valid points in the scanner's frame, in metres, as an array of shape ``(N, 2)``."""
        ranges, angles = self.ranges[self.valid], self.angles[self.valid]
        return np.stack([ranges * np.cos(angles), ranges * np.sin(angles)], axis=-1)


def scan(msg: Any) -> Scan:
    """Return ranges, angles, intensities and validity of a ``sensor_msgs/msg/LaserScan``.

    Raises:
        FieldTypeError: ``msg`` is not a laser scan.
    """
    try:
        ranges: NDArray[np.float32] = msg.ranges
        start: float = msg.angle_min
        step: float = msg.angle_increment
        low: float = msg.range_min
        high: float = msg.range_max
        intensities: NDArray[np.float32] = msg.intensities
    except AttributeError:
        kind = _iceway.type_name(msg) if isinstance(msg, _iceway.Message) else type(msg).__name__
        raise FieldTypeError(f"iceway.scan takes a sensor_msgs/msg/LaserScan, not {kind}") from None
    angles = (start + np.arange(len(ranges)) * step).astype(np.float32)
    # NaN compares false, so it is not valid; neither is infinity, unless the device says it reaches that far.
    valid = (ranges >= low) & (ranges <= high)
    return Scan(ranges, angles, intensities, valid)
