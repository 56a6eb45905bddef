"""Images of ``sensor_msgs/msg/Image`` as arrays, for every encoding of ``sensor_msgs/image_encodings.hpp``."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _iceway
from ._errors import EncodingError, FieldTypeError, FieldValueError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["image", "image_fields"]


class _Format(NamedTuple):
    """How an encoding lies in memory."""

    dtype: str  # without byte order
    itemsize: int
    channels: int
    # Rows of the array per 2 rows of the image: 2, except for planar formats, which have chroma rows below.
    rows_per_2: int = 2


_NAMED = {
    "mono8": _Format("u1", 1, 1),
    "mono16": _Format("u2", 2, 1),
    "rgb8": _Format("u1", 1, 3),
    "bgr8": _Format("u1", 1, 3),
    "rgba8": _Format("u1", 1, 4),
    "bgra8": _Format("u1", 1, 4),
    "rgb16": _Format("u2", 2, 3),
    "bgr16": _Format("u2", 2, 3),
    "rgba16": _Format("u2", 2, 4),
    "bgra16": _Format("u2", 2, 4),
    **{f"bayer_{order}8": _Format("u1", 1, 1) for order in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{order}16": _Format("u2", 2, 1) for order in ("rggb", "bggr", "gbrg", "grbg")},
    "uyvy": _Format("u1", 1, 2),
    "yuyv": _Format("u1", 1, 2),
    "yuv422": _Format("u1", 1, 2),  # the older name of uyvy
    "yuv422_yuy2": _Format("u1", 1, 2),  # the older name of yuyv
    "nv21": _Format("u1", 1, 1, rows_per_2=3),  # luma, then half as many rows of interleaved V and U
    "nv24": _Format("u1", 1, 1, rows_per_2=6),  # luma, then U and V of every pixel: two bytes a pixel
}
_GENERIC = re.compile(r"(?:TYPE_)?(8|16|32|64)(U|S|F)C([0-9]*)", re.ASCII)
_KINDS = {"U": "u", "S": "i", "F": "f"}


@functools.lru_cache(maxsize=256)
def _format(encoding: str) -> _Format:
    named = _NAMED.get(encoding)
    if named is not None:
        return named
    generic = _GENERIC.fullmatch(encoding)
    if generic is not None:
        bits, kind, channels = generic.groups()
        itemsize = int(bits) // 8
        count = int(channels) if channels else 1
        if count >= 1 and not (kind == "F" and itemsize == 1):
            return _Format(f"{_KINDS[kind]}{itemsize}", itemsize, count)
    raise EncodingError(
        f"unknown image encoding {encoding!r}: iceway.image knows those of sensor_msgs/image_encodings.hpp "
        f"(rgb8, bgr8, mono16, bayer_rggb8, 32FC1, yuv422, …); msg.data is the flat array of bytes"
    )


def image(msg: Any) -> NDArray[Any]:
    """Return the pixels of a ``sensor_msgs/msg/Image`` as an array, without copying.

    The shape is ``(height, width)`` for encodings of one channel and ``(height, width, channels)`` for others;
    padding at the end of rows (``step``) is skipped by strides, and big-endian images have a big-endian dtype.

    ======================================  =============================  =====================
    encoding                                shape                          dtype
    ======================================  =============================  =====================
    ``mono8``, ``bayer_*8``, ``8UC1``       ``(H, W)``                     ``uint8``
    ``mono16``, ``bayer_*16``, ``16UC1``    ``(H, W)``                     ``uint16``
    ``rgb8``, ``bgr8``, ``8UC3``            ``(H, W, 3)``                  ``uint8``
    ``rgba8``, ``bgra8``, ``8UC4``          ``(H, W, 4)``                  ``uint8``
    ``rgb16`` … ``bgra16``                  ``(H, W, 3)`` or ``(H, W, 4)``  ``uint16``
    ``nnUCm``, ``nnSCm``, ``nnFCm``         ``(H, W, m)``, ``(H, W)`` if 1  ``uint``, ``int``, ``float`` of nn bits
    ``uyvy``, ``yuyv``, ``yuv422*``         ``(H, W, 2)``                  ``uint8``
    ``nv21``                                ``(H * 3 / 2, W)``             ``uint8``, as OpenCV takes it
    ``nv24``                                ``(H * 3, W)``                 ``uint8``, as OpenCV takes it
    ======================================  =============================  =====================

    The array is read-only unless the message is a loan or a copy, and keeps the message's memory alive.

        >>> msg = bus.subscribe("/camera/image_raw").recv(timeout=5.0)
        >>> pixels = iceway.image(msg)
        >>> pixels.shape, pixels.dtype
        ((480, 640, 3), dtype('uint8'))
        >>> np.shares_memory(pixels, msg.data)
        True

    Raises:
        EncodingError: the encoding is unknown, or size, step and data of the message do not fit together.
        FieldTypeError: ``msg`` is not an image.
    """
    try:
        height: int = msg.height
        width: int = msg.width
        encoding: str = msg.encoding
        step: int = msg.step
        data: NDArray[np.uint8] = msg.data
        big_endian: int = msg.is_bigendian
    except AttributeError:
        raise FieldTypeError(_not_an_image(msg)) from None
    dtype, itemsize, channels, rows_per_2 = _format(encoding)
    row = width * channels * itemsize
    if rows_per_2 == 2:
        rows = height
    else:
        rows = height * rows_per_2 // 2
        if rows_per_2 == 6 and step != row:
            raise EncodingError(
                f"{encoding} with padded rows (step {step}, width {width}) is not one regular array: "
                f"take the planes from msg.data"
            )
        if rows_per_2 == 3 and (height % 2 or width % 2):
            raise EncodingError(f"{encoding} needs an even width and height, not {width}x{height}")
    if height and width:
        if step < row:
            raise EncodingError(
                f"step is {step} bytes, but a row of {width} pixels {encoding} needs {row}: "
                f"the publisher of this image fills it wrongly"
            )
        needed = step * (rows - 1) + row
        if len(data) < needed:
            raise EncodingError(
                f"data has {len(data)} bytes, but {width}x{height} {encoding} with step {step} needs {needed}: "
                f"the publisher of this image fills it wrongly"
            )
    order = ">" if big_endian else "<"
    kind = dtype if itemsize == 1 else order + dtype
    pixels: NDArray[Any]
    if channels == 1:
        pixels = np.ndarray((rows, width), kind, data, 0, (step, itemsize))
    else:
        pixels = np.ndarray((rows, width, channels), kind, data, 0, (step, channels * itemsize, itemsize))
    if pixels.flags.writeable:
        _iceway.hand_out(msg, pixels)
    return pixels


def image_fields(pixels: NDArray[Any], encoding: str) -> dict[str, Any]:
    """Return the fields of a ``sensor_msgs/msg/Image`` that has these pixels, for ``publish(**fields)``.

    ``pixels`` has the shape and dtype that :func:`image` gives for the encoding. Rows must be contiguous in
    memory; rows that are apart (a crop of a larger image) are sent as they are, without their gaps.

        >>> fields = iceway.image_fields(np.zeros((480, 640, 3), np.uint8), "rgb8")
        >>> fields["step"], fields["height"], fields["width"]
        (1920, 480, 640)
    """
    dtype, itemsize, channels, rows_per_2 = _format(encoding)
    pixels = np.asarray(pixels)
    expected = np.dtype(dtype)
    if pixels.dtype.newbyteorder("=") != expected:
        raise FieldTypeError(
            f"{encoding} has pixels of {expected}, not {pixels.dtype}: convert them, e.g. pixels.astype(np.{expected})"
        )
    good = pixels.ndim == (2 if channels == 1 else 3) and (channels == 1 or pixels.shape[2] == channels)
    if not good or (pixels.shape[0] * 2) % rows_per_2:
        shape = "(height, width)" if channels == 1 else f"(height, width, {channels})"
        raise FieldValueError(f"{encoding} has pixels of shape {shape}, not {pixels.shape}")
    height = pixels.shape[0] * 2 // rows_per_2
    width = pixels.shape[1]
    order = pixels.dtype.byteorder
    big_endian = order == ">" or (order == "=" and not np.little_endian)
    flat = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
    return {
        "height": height,
        "width": width,
        "encoding": encoding,
        "is_bigendian": int(big_endian),
        "step": width * channels * itemsize,
        "data": flat,
    }


def _not_an_image(msg: Any) -> str:
    kind = _iceway.type_name(msg) if isinstance(msg, _iceway.Message) else type(msg).__name__
    text = f"iceway.image takes a sensor_msgs/msg/Image, not {kind}"
    if kind.endswith("/CompressedImage"):
        return f"{text}: decode msg.data, e.g. cv2.imdecode(msg.data, cv2.IMREAD_COLOR)"
    return text
