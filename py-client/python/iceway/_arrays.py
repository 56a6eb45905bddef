"""Turning what users pass for arrays into arrays that fit a field. Nothing is narrowed silently.

The native module takes arrays that fit as they are, and comes here with everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._errors import FieldTypeError, FieldValueError

Array = Any


def numbers(value: Any, dtype: np.dtype[Any], casting: str, where: str) -> Array:
    """Return ``value`` as a contiguous, one-dimensional array of ``dtype``. ``where`` is the field's path."""
    array, literal = _as_array(value, dtype, where)
    if array.ndim == 0:
        raise FieldTypeError(f"{where}: expected an array of {dtype.name}, got a single {array.dtype}")
    if literal and array.dtype != dtype:
        array = _from_literal(array, dtype, where)
    elif not np.can_cast(array.dtype, dtype, casting):  # type: ignore[arg-type]
        raise FieldTypeError(
            f"{where}: expected an array of {dtype.name}, got one of {array.dtype}: convert it with "
            f".astype(np.{dtype.name}), or pass casting='same_kind' to let iceway do it"
        )
    return np.ascontiguousarray(array, dtype).reshape(-1)


def _as_array(value: Any, dtype: np.dtype[Any], where: str) -> tuple[Array, bool]:
    """Return the array, and whether it was written out in Python, without a dtype of its own."""
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value), False
    try:
        if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
            return np.asarray(value), False
        if hasattr(value, "__dlpack__"):
            return np.from_dlpack(value), False
        try:
            return np.asarray(memoryview(value)), False
        except TypeError:
            pass
        if isinstance(value, Sequence) and not isinstance(value, str):
            array = np.asarray(value)
            if dtype.kind in "iu" and array.dtype.kind in "fO":
                # Integers beyond int64 become floats or objects.
                exact = np.asarray(value, object)
                if all(isinstance(item, int) for item in exact.flat):
                    array = exact
            return array, True
    except Exception as error:
        # Whatever the framework says: a tensor on another device, one that requires grad, ragged lists …
        kind = type(value).__name__
        raise FieldTypeError(f"{where}: {kind} cannot be read as an array of {dtype.name}: {error}") from error
    raise FieldTypeError(f"{where}: expected an array of {dtype.name}, got {type(value).__name__}")


def _from_literal(array: Array, dtype: np.dtype[Any], where: str) -> Array:
    if array.size == 0:
        return array.astype(dtype)
    if array.dtype.kind == "O" and dtype.kind in "iu" and all(isinstance(item, int) for item in array.flat):
        _check_range(min(array.flat), max(array.flat), dtype, where)
        return array.astype(dtype)
    allowed = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}[dtype.kind]
    if array.dtype.kind not in allowed:
        raise FieldTypeError(f"{where}: expected numbers of type {dtype.name}, got {_kind(array)}")
    if dtype.kind in "iu":
        _check_range(int(array.min()), int(array.max()), dtype, where)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            narrow = array.astype(dtype)
        if np.isinf(narrow).sum() != np.isinf(array).sum():
            raise FieldValueError(f"{where}: a number is too large for {dtype.name}")
        return narrow
    return array.astype(dtype)


def _check_range(least: int, most: int, dtype: np.dtype[Any], where: str) -> None:
    limits = np.iinfo(dtype)
    if least < limits.min or most > limits.max:
        bad = least if least < limits.min else most
        raise FieldValueError(f"{where}: {bad} does not fit {dtype.name} ({limits.min} to {limits.max})")


def _kind(array: Array) -> str:
    if array.dtype.kind == "O":
        return f"objects such as {type(array.flat[0]).__name__}"
    return {"b": "bools", "f": "floats", "U": "text", "S": "bytes"}.get(array.dtype.kind, str(array.dtype))


def structs(value: Any, dtype: np.dtype[Any], stride: int, casting: str, where: str) -> tuple[int, Array]:
    """Return the number of structures in an array, and their bytes laid out with ``dtype`` and ``stride``."""
    array = np.asarray(value)
    leaf = _uniform(dtype)
    if array.dtype.names is None:
        if leaf is None:
            raise FieldTypeError(
                f"{where}: expected a structured array with the fields {', '.join(dtype.names or ())}, "
                f"got one of {array.dtype}"
            )
        kind, count = leaf
        if array.ndim != 2 or array.shape[1] != count:
            raise FieldValueError(
                f"{where}: expected an array of shape (N, {count}) for {', '.join(dtype.names or ())}, "
                f"got {array.shape}"
            )
        if not np.can_cast(array.dtype, kind, casting):  # type: ignore[arg-type]
            raise FieldTypeError(
                f"{where}: expected {kind.name}, got {array.dtype}: convert it with .astype(np.{kind.name}), "
                f"or pass casting='same_kind' to let iceway do it"
            )
        array = np.ascontiguousarray(array, kind).view(_packed(dtype))[:, 0]
    if array.ndim != 1:
        raise FieldValueError(f"{where}: expected a one-dimensional array, got {array.shape}")
    _check_struct(array.dtype, dtype, casting, where)
    size = (len(array) - 1) * stride + dtype.itemsize if len(array) else 0
    room = np.zeros(size, np.uint8)
    if len(array):
        np.ndarray(len(array), dtype, room, 0, (stride,))[...] = array
    return len(array), room


def _check_struct(have: np.dtype[Any], want: np.dtype[Any], casting: str, where: str) -> None:
    """Structures are assigned by position, so their names must be equal."""
    if want.names is None:
        if have.names is not None or have.shape != want.shape or not np.can_cast(have.base, want.base, casting):  # type: ignore[arg-type]
            raise FieldTypeError(f"{where}: expected {want}, got {have}")
        return
    if have.names != want.names or have.shape != want.shape:
        raise FieldTypeError(f"{where}: expected a structure of {', '.join(want.names)}, got {have}")
    assert have.fields is not None
    assert want.fields is not None
    for name in want.names:
        _check_struct(have.fields[name][0], want.fields[name][0], casting, f"{where}.{name}")


def _uniform(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], int] | None:
    """Return the one dtype of all numbers in a structure and their count; ``None`` if they differ."""
    if dtype.subdtype is not None:
        inner = _uniform(dtype.base)
        return inner and (inner[0], inner[1] * int(np.prod(dtype.shape)))
    if dtype.fields is None:
        return dtype, 1
    count = 0
    kind = None
    for field in dtype.fields.values():
        inner = _uniform(field[0])
        if inner is None or (kind is not None and inner[0] != kind):
            return None
        kind, count = inner[0], count + inner[1]
    return kind and (kind, count)


def _packed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the structure without padding, as its numbers lie in a row of an ordinary array."""
    if dtype.names is None or dtype.fields is None:
        return dtype
    return np.dtype([(name, _packed(dtype.fields[name][0])) for name in dtype.names])


def assign(array: Array, value: Any, where: str) -> None:
    """Fill a writable array in place; ``value`` may be an array of the same size, or one number for all."""
    if array.dtype.names is not None:
        if isinstance(value, Sequence) and not isinstance(value, str):
            raise FieldTypeError(f"{where}: fill it field by field, or assign a structured array")
        count, room = structs(value, array.dtype, array.dtype.itemsize, "safe", where)
        if count != len(array):
            raise FieldValueError(f"{where}: has {len(array)} elements, got {count}")
        array[...] = room.view(array.dtype)
        return
    native = array.dtype.newbyteorder("=")
    flat = numbers(value, native, "safe", where)
    if flat.size != array.size:
        raise FieldValueError(f"{where}: has {array.size} elements, got {flat.size}")
    array[...] = flat


def assign_number(array: Array, value: Any, where: str) -> None:
    """Set the only element of an array to a number."""
    if isinstance(value, bytes) and len(value) == 1:
        value = value[0]
    single = np.asarray(value)
    if single.ndim != 0 or single.dtype.kind not in "biuf":
        raise FieldTypeError(f"{where}: expected {array.dtype.name}, got {type(value).__name__}")
    array[...] = _from_literal(single.reshape(1), array.dtype.newbyteorder("="), where)
