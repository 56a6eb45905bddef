"""Point clouds of ``sensor_msgs/msg/PointCloud2`` as structured arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _iceway
from ._errors import FieldTypeError, LayoutError, MalformedMessage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["points", "xyz"]

# sensor_msgs/msg/PointField: INT8 = 1 … FLOAT64 = 8
_DATATYPES = (None, "i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8")
_dtypes: dict[tuple[Any, ...], np.dtype[Any]] = {}


def _dtype(fields: Any, point_step: int, big_endian: bool) -> np.dtype[Any]:
    layout = tuple((f.name, f.offset, f.datatype, f.count) for f in fields)
    key = (layout, point_step, big_endian)
    known = _dtypes.get(key)
    if known is not None:
        return known
    order = ">" if big_endian else "<"
    names: list[str] = []
    formats: list[Any] = []
    offsets: list[int] = []
    for index, (name, offset, datatype, count) in enumerate(layout):
        kind = _DATATYPES[datatype] if 0 < datatype < len(_DATATYPES) else None
        if kind is None:
            raise MalformedMessage(
                f"fields[{index}] ({name!r}): datatype {datatype} is none of sensor_msgs/msg/PointField (1 to 8)",
                f"fields[{index}].datatype",
            )
        # A count of 0 is written by some drivers for single values.
        count = max(count, 1)
        size = int(kind[1]) * count
        if offset + size > point_step:
            raise MalformedMessage(
                f"fields[{index}] ({name!r}): ends at byte {offset + size} of a point of {point_step} bytes",
                f"fields[{index}].offset",
                needed=offset + size,
                available=point_step,
            )
        if not name:
            continue  # padding that a driver declared
        if name in names:
            raise MalformedMessage(f"fields[{index}]: the name {name!r} appears twice", f"fields[{index}].name")
        names.append(name)
        formats.append(order + kind if count == 1 else (order + kind, (count,)))
        offsets.append(offset)
    dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": point_step})
    if len(_dtypes) > 256:  # a publisher that changes its layout all the time must not grow this for ever
        _dtypes.clear()
    _dtypes[key] = dtype
    return dtype


def points(msg: Any) -> NDArray[Any]:
    """Return the points of a ``sensor_msgs/msg/PointCloud2`` as a structured array, without copying.

    The shape is ``(N,)``, or ``(height, width)`` for an organised cloud (``height > 1``). The dtype has the
    cloud's own fields: ``points(msg)["intensity"]`` is a view of all intensities. A field with a count above 1
    is a sub-array. The array is read-only unless the message is a loan or a copy.

    Raises:
        MalformedMessage: fields, steps and data of the message do not fit together.
        FieldTypeError: ``msg`` is not a point cloud.
    """
    try:
        height: int = msg.height
        width: int = msg.width
        point_step: int = msg.point_step
        row_step: int = msg.row_step
        big_endian: bool = msg.is_bigendian
        data: NDArray[np.uint8] = msg.data
        fields = msg.fields
    except AttributeError:
        kind = _iceway.type_name(msg) if isinstance(msg, _iceway.Message) else type(msg).__name__
        raise FieldTypeError(f"iceway.points takes a sensor_msgs/msg/PointCloud2, not {kind}") from None
    if point_step == 0 and height * width:
        raise MalformedMessage("point_step is 0: the publisher of this cloud fills it wrongly", "point_step")
    dtype = _dtype(fields, point_step, big_endian)
    if height <= 1:
        shape: tuple[int, ...] = (height * width,)
        strides: tuple[int, ...] = (point_step,)
        needed = height * width * point_step
    else:
        shape, strides = (height, width), (row_step, point_step)
        if width and row_step < width * point_step:
            raise MalformedMessage(
                f"row_step is {row_step} bytes, but {width} points of {point_step} bytes need {width * point_step}",
                "row_step",
                needed=width * point_step,
                available=row_step,
            )
        needed = (height - 1) * row_step + width * point_step if width else 0
    if len(data) < needed:
        raise MalformedMessage(
            f"data has {len(data)} bytes, but {width}x{height} points of {point_step} bytes need {needed}: "
            f"the publisher of this cloud fills it wrongly",
            "data",
            needed=needed,
            available=len(data),
        )
    cloud: NDArray[Any] = np.ndarray(shape, dtype, data, 0, strides)
    if cloud.flags.writeable:
        _iceway.hand_out(msg, cloud)
    return cloud


def xyz(cloud: Any, *, copy: bool | None = False) -> NDArray[Any]:
    """Return the coordinates of a point cloud as an array of shape ``(N, 3)``, or ``(height, width, 3)``.

    ``cloud`` is a ``sensor_msgs/msg/PointCloud2`` or the array that :func:`points` made of one. The result
    is a view (``strides`` skip the other fields) when ``x``, ``y`` and ``z`` have one dtype and lie one behind
    the other, as nearly every driver writes them.

    Args:
        cloud: the cloud.
        copy: as in NumPy. ``False``: never copy, raise instead; ``None``: copy only if needed; ``True``: always.

    Raises:
        LayoutError: the cloud has no ``x``, ``y``, ``z``, or they permit no view and ``copy`` is ``False``.
    """
    array: NDArray[Any] = cloud if isinstance(cloud, np.ndarray) else points(cloud)
    fields = array.dtype.fields
    if fields is None or not all(name in fields for name in ("x", "y", "z")):
        have = ", ".join(array.dtype.names or ()) or "none"
        raise LayoutError(f"the cloud has no fields x, y and z; it has: {have}")
    (kind, start), (kind_y, start_y), (kind_z, start_z) = (fields[name][:2] for name in ("x", "y", "z"))
    apart = start_y - start
    regular = kind == kind_y == kind_z and start_z - start_y == apart and apart > 0 and kind.subdtype is None
    if not regular:
        if copy is False:
            raise LayoutError(
                "x, y and z do not lie evenly spaced with one dtype, so they are not one array: use "
                "xyz(cloud, copy=None), or points(msg)['x'] and so on, which are views"
            )
        copied: NDArray[Any] = np.stack([array["x"], array["y"], array["z"]], axis=-1)
        return copied
    shape, strides = (*array.shape, 3), (*array.strides, apart)
    view: NDArray[Any] = np.lib.stride_tricks.as_strided(array["x"], shape, strides, writeable=array.flags.writeable)
    return view.copy() if copy else view
