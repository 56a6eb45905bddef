"""Comparing and pickling messages."""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np

from . import _iceway


def equal(a: Any, b: Any) -> bool:
    """Tell whether two messages have the same type and equal fields."""
    if _iceway.type_name(a) != _iceway.type_name(b) or _iceway.field_names(a) != _iceway.field_names(b):
        return False
    for name in _iceway.field_names(a):
        left, right = getattr(a, name), getattr(b, name)
        if isinstance(left, np.ndarray):
            # As for single numbers, NaN is unequal to itself.
            if left.shape != right.shape or not bool((left == right).all()):
                return False
        elif left != right:
            return False
    return True


def reduce(msg: Any) -> tuple[Any, ...]:
    """Pickle a message by value: its type, definition and bytes."""
    type_name, definition, data = _iceway.serialize(msg)
    return restore, (type_name, part(definition, type_name), data)


def restore(type_name: str, definition: str, data: bytes) -> Any:
    """Unpickle a message."""
    return _schema(type_name, definition).view(data)


@functools.lru_cache(maxsize=64)
def _schema(type_name: str, definition: str) -> Any:
    return _iceway.Schema(type_name, definition)


def part(definition: str, type_name: str) -> str:
    """Return the definition of one of the types that a definition holds, together with all others."""
    sections = re.split(r"^=+\n", definition, flags=re.MULTILINE)
    package, _, name = type_name.partition("/")
    name = name.rsplit("/", 1)[-1]
    for index, section in enumerate(sections):
        head, _, text = section.partition("\n")
        if head.strip() in (f"MSG: {package}/{name}", f"MSG: {type_name}"):
            others = [other for at, other in enumerate(sections) if at not in (0, index)]
            return ("=" * 80 + "\n").join([text, *others])
    return definition
