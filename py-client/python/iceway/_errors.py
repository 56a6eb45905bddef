"""Every error that iceway raises: one family, and each text says what to do."""

from __future__ import annotations

__all__ = [
    "Backpressure",
    "BorrowLimit",
    "BrokerGone",
    "Closed",
    "DefinitionError",
    "Denied",
    "EncodingError",
    "Error",
    "FieldTypeError",
    "FieldValueError",
    "Forked",
    "InvalidName",
    "InvalidOption",
    "LayoutError",
    "LimitReached",
    "LoanError",
    "MalformedMessage",
    "NoBroker",
    "NoMemory",
    "NoRos",
    "ReadOnly",
    "Released",
    "Timeout",
    "TooLarge",
    "TypeMismatch",
    "UnknownField",
    "UnknownTopic",
    "UnknownType",
    "VersionMismatch",
]


class Error(Exception):
    """The base of all errors of iceway."""


# --- reaching the broker ---------------------------------------------------------------------------------


class NoBroker(Error, ConnectionError):
    """No broker answered on this domain within the timeout."""


class BrokerGone(Error, ConnectionError):
    """The broker that this call needs went away and did not come back in time."""


class VersionMismatch(Error):
    """Broker and client are of versions that do not work together."""


class Closed(Error, ValueError):
    """The bus, subscription or publisher was closed."""


class Forked(Error, RuntimeError):
    """The object was made before ``os.fork()`` and belongs to the parent process."""


# --- naming topics and types -----------------------------------------------------------------------------


class UnknownTopic(Error, LookupError):
    """Nobody publishes the topic, so its type is not known."""


class UnknownType(Error, LookupError):
    """The message type is not installed where the broker runs."""


class TypeMismatch(Error, TypeError):
    """The topic, or the message, has another type than the one asked for."""


class NoRos(Error, LookupError):
    """The broker runs without ROS, so it knows neither ROS topics nor types."""


class InvalidName(Error, ValueError):
    """A topic or type name is not a valid ROS name."""


class InvalidOption(Error, ValueError):
    """An option of a call has a value that makes no sense."""


class Denied(Error, PermissionError):
    """The broker's configuration does not allow this topic."""


class LimitReached(Error):
    """The channel has as many publishers, subscribers or processes as the broker's limits allow."""


# --- receiving -------------------------------------------------------------------------------------------


class Timeout(Error, TimeoutError):
    """Nothing arrived in time."""


class BorrowLimit(Error):
    """Too many messages of one subscription are alive at once."""


class Released(Error, ValueError):
    """The message was given back with :func:`iceway.release`."""


class MalformedMessage(Error, ValueError):
    """The bytes are not a message of this type.

    ``field`` is the path of the field that could not be read, ``offset`` the position in the bytes;
    ``needed`` and ``available`` are in bytes where they apply, else ``None``.
    """

    field: str
    offset: int
    needed: int | None
    available: int | None

    def __init__(
        self,
        message: str,
        field: str = "",
        offset: int = 0,
        needed: int | None = None,
        available: int | None = None,
    ) -> None:
        super().__init__(message)
        self.field = field
        self.offset = offset
        self.needed = needed
        self.available = available


# --- writing ---------------------------------------------------------------------------------------------


class UnknownField(Error, AttributeError):
    """The message type has no field of this name."""


class FieldTypeError(Error, TypeError):
    """A value has the wrong type or dtype for its field. Nothing is narrowed silently."""


class FieldValueError(Error, ValueError):
    """A value has the right type, but its size, shape or range does not fit the field."""


class ReadOnly(Error, AttributeError):
    """A received message cannot be written to."""


class LoanError(Error):
    """A loan was used in the wrong order: nested, after it was sent, or outside its block."""


class TooLarge(Error, ValueError):
    """The message is larger than the channel allows."""


class NoMemory(Error, MemoryError):
    """There is no room in shared memory."""


class Backpressure(Error):
    """ROS takes messages more slowly than they are published."""


# --- interpreting ----------------------------------------------------------------------------------------


class DefinitionError(Error, ValueError):
    """The text is not a ROS message definition. ``line`` and ``column`` count from 1."""

    line: int
    column: int

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class EncodingError(Error, ValueError):
    """The image's encoding is unknown, or does not fit its size."""


class LayoutError(Error, ValueError):
    """The data does not lie in memory as this view would need it."""
