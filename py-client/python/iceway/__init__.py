"""Live ROS 2 data as NumPy views, without ROS in the process.

    import iceway

    with iceway.connect() as bus:
        camera = bus.subscribe("/camera/image_raw")
        points = bus.advertise("/detections/center", "geometry_msgs/msg/PointStamped")
        for msg in camera:
            pixels = iceway.image(msg)          # (height, width, 3) uint8, the memory the message arrived in
            x, y = find_object(pixels)
            points.publish(header=msg.header, point={"x": x, "y": y}, cause=msg)

A message has the fields of its ROS type and nothing else. What can be done with any message is a function of
this module: :func:`info`, :func:`image`, :func:`points`, :func:`xyz`, :func:`scan`, :func:`to_dict`, :func:`copy`,
:func:`release`. Messages and their arrays are read-only views; they keep their memory alive, so that it is never
reused under them.
"""

from collections import abc as _abc

from ._bus import (
    Bus,
    Notice,
    Publisher,
    PublisherStats,
    QoS,
    Subscription,
    SubscriptionStats,
    Topic,
    connect,
)
from ._convert import Info, copy, dlpack, info, release, to_dict
from ._errors import (
    Backpressure,
    BorrowLimit,
    BrokerGone,
    Closed,
    DefinitionError,
    Denied,
    EncodingError,
    Error,
    FieldTypeError,
    FieldValueError,
    Forked,
    InvalidName,
    InvalidOption,
    LayoutError,
    LimitReached,
    LoanError,
    MalformedMessage,
    NoBroker,
    NoMemory,
    NoRos,
    ReadOnly,
    Released,
    Timeout,
    TooLarge,
    TypeMismatch,
    UnknownField,
    UnknownTopic,
    UnknownType,
    VersionMismatch,
)
from ._iceway import Loan, Message, Schema, Sequence, __version__
from ._image import image, image_fields
from ._points import points, xyz
from ._scan import Scan, scan
from ._sync import Sync, Synchronizer, sync
from ._wait import wait

__all__ = [
    # connecting
    "connect",
    "Bus",
    "Subscription",
    "Publisher",
    "Loan",
    "QoS",
    "SubscriptionStats",
    "PublisherStats",
    "Topic",
    "Notice",
    "wait",
    "sync",
    "Sync",
    "Synchronizer",
    # messages
    "Message",
    "Sequence",
    "Schema",
    "Info",
    "info",
    "image",
    "image_fields",
    "points",
    "xyz",
    "scan",
    "Scan",
    "to_dict",
    "copy",
    "release",
    "dlpack",
    # errors
    "Error",
    "Backpressure",
    "BorrowLimit",
    "BrokerGone",
    "Closed",
    "DefinitionError",
    "Denied",
    "EncodingError",
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
    "__version__",
]

_abc.Sequence.register(Sequence)

# Classes and functions say where they are for users (in tracebacks, help and pickles), not where they are written.
for _name in __all__:
    if getattr(globals()[_name], "__module__", "").startswith("iceway._"):
        globals()[_name].__module__ = "iceway"
del _name
