"""Writing messages: what is accepted, what is converted, what is refused and how."""

import array as stdlib_array
from collections import namedtuple
from dataclasses import dataclass, field
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

import iceway
from definitions import make, schema

ZOO = schema("demo_msgs/Zoo")


def zoo(**fields):
    data = ZOO.encode(**fields)
    ZOO.validate(data)
    return ZOO.view(data)


@pytest.mark.parametrize(
    ("name", "given", "want"),
    [
        ("flag", True, True),
        ("flag", np.True_, True),
        ("b", b"\x07", 7),
        ("c", b"A", 65),
        ("u8", 255, 255),
        ("u8", np.int64(3), 3),
        ("i64", True, 1),
        ("u64", 2**64 - 1, 2**64 - 1),
        ("f32", 1, 1.0),
        ("f32", np.float64(0.5), 0.5),
        ("f64", np.array(0.25), 0.25),
        ("f64", float("inf"), float("inf")),
        ("f32", float("-inf"), float("-inf")),
        ("text", np.str_("x"), "x"),
    ],
)
def test_single_values(name, given, want):
    assert getattr(zoo(**{name: given}), name) == want


@pytest.mark.parametrize(
    "given",
    [
        [1, 2, 3],
        (1, 2, 3),
        range(1, 4),
        np.array([1, 2, 3], np.float32),
        np.array([1, 2, 3], ">f4"),
        np.array([1, 2, 3], np.float16),
        np.array([1, 9, 2, 9, 3], np.float32)[::2],
        np.array([[1], [2], [3]], np.float32),
        stdlib_array.array("f", [1, 2, 3]),
        memoryview(stdlib_array.array("f", [1, 2, 3])),
        [1, 2.0, np.float32(3)],
        np.array([1, 2, 3], np.int16),
    ],
    ids=repr,
)
def test_arrays_that_fit(given):
    got = zoo(f32s=given).f32s
    assert got.dtype == "<f4"
    assert got.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "given", [b"\1\2", bytearray(b"\1\2"), memoryview(b"\1\2"), np.array([1, 2], np.uint8), [1, 2]]
)
def test_bytes_are_arrays_of_bytes(given):
    assert zoo(bs=given).bs.tolist() == [1, 2]
    assert make("sensor_msgs/Image", data=given).data.tolist() == [1, 2]


def test_arrays_of_any_shape_are_flattened():
    got = make("sensor_msgs/Image", data=np.arange(24, dtype=np.uint8).reshape(2, 4, 3))
    assert got.data.tolist() == list(range(24))
    assert zoo(f64s=np.array([[1.0, 2.0]])).f64s.tolist() == [1, 2]
    fortran = np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    assert make("sensor_msgs/Image", data=fortran).data.tolist() == list(range(6))


def test_empty_arrays():
    for empty in ([], (), np.array([]), np.array([], np.float32), range(0)):
        if isinstance(empty, np.ndarray) and empty.dtype == np.float64:
            with pytest.raises(iceway.FieldTypeError):
                zoo(f32s=empty)
        else:
            assert len(zoo(f32s=empty).f32s) == 0


def test_narrowing_needs_to_be_asked_for():
    wide = np.array([0.1, 0.2])
    with pytest.raises(iceway.FieldTypeError) as caught:
        zoo(f32s=wide)
    text = str(caught.value)
    assert text.startswith("f32s: ")
    assert "float64" in text
    assert ".astype(np.float32)" in text
    assert "casting='same_kind'" in text
    np.testing.assert_array_equal(zoo(f32s=wide, casting="same_kind").f32s, wide.astype(np.float32))
    with pytest.raises(iceway.FieldTypeError):
        zoo(i64s=wide, casting="same_kind")
    with pytest.raises(iceway.InvalidOption, match="casting"):
        zoo(f32s=wide, casting="unsafe")


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"flag": 1}, iceway.FieldTypeError, ["flag", "bool", "int"]),
        ({"flags": [1, 0]}, iceway.FieldTypeError, ["flags", "bool"]),
        ({"i8": 128}, iceway.FieldValueError, ["i8", "128", "int8"]),
        ({"u8": -1}, iceway.FieldValueError, ["u8", "-1"]),
        ({"u64": 2**64}, iceway.FieldValueError, ["u64"]),
        ({"i32": 1.0}, iceway.FieldTypeError, ["i32", "float"]),
        ({"i32": "1"}, iceway.FieldTypeError, ["i32", "str"]),
        ({"i32": None}, iceway.FieldTypeError, ["i32", "None"]),
        ({"f32": 1e300}, iceway.FieldValueError, ["f32", "float32"]),
        ({"f64": 10**400}, iceway.FieldValueError, ["f64"]),
        ({"f64": "1.0"}, iceway.FieldTypeError, ["f64", "str"]),
        ({"f64": 1j}, iceway.FieldTypeError, ["f64", "complex"]),
        ({"text": 3}, iceway.FieldTypeError, ["text", "int"]),
        ({"text": b"x"}, iceway.FieldTypeError, ["text", "bytes"]),
        ({"text": "a\0b"}, iceway.FieldValueError, ["text", "NUL"]),
        ({"short_text": "123456"}, iceway.FieldValueError, ["short_text", "6", "5"]),
        ({"texts": "abc"}, iceway.FieldTypeError, ["texts", "str"]),
        ({"texts": ["a", 3]}, iceway.FieldTypeError, ["texts[1]", "int"]),
        ({"u16s": [1, 2]}, iceway.FieldValueError, ["u16s", "3", "2"]),
        ({"u16s": np.zeros(4, np.uint16)}, iceway.FieldValueError, ["u16s", "3", "4"]),
        ({"i64s": [1] * 5}, iceway.FieldValueError, ["i64s", "5", "4"]),
        ({"i8s": [1, 200]}, iceway.FieldValueError, ["i8s", "200", "int8"]),
        ({"i8s": [1.5]}, iceway.FieldTypeError, ["i8s", "float"]),
        ({"i8s": np.array([1], np.int64)}, iceway.FieldTypeError, ["i8s", "int64", ".astype(np.int8)"]),
        ({"f32s": [1e300]}, iceway.FieldValueError, ["f32s", "float32"]),
        ({"f32s": [[1], [1, 2]]}, iceway.FieldTypeError, ["f32s"]),
        ({"f32s": "abc"}, iceway.FieldTypeError, ["f32s", "str"]),
        ({"f32s": 3.0}, iceway.FieldTypeError, ["f32s", "float"]),
        ({"f32s": np.float32(3)}, iceway.FieldTypeError, ["f32s", "single"]),
        ({"f32s": {1, 2}}, iceway.FieldTypeError, ["f32s", "set"]),
        ({"f32s": None}, iceway.FieldTypeError, ["f32s", "None"]),
        ({"f32s": ["a"]}, iceway.FieldTypeError, ["f32s", "text"]),
        ({"f32s": 5}, iceway.FieldTypeError, ["f32s", "int"]),
        ({"i64s": [2**63]}, iceway.FieldValueError, ["i64s"]),
        ({"i64s": [2**70]}, iceway.FieldValueError, ["i64s"]),
        ({"pose": 3}, iceway.FieldTypeError, ["pose", "geometry_msgs/msg/Pose", "int"]),
        ({"pose": None}, iceway.FieldTypeError, ["pose"]),
        ({"pose": {"position": {"x": "a"}}}, iceway.FieldTypeError, ["pose.position.x", "str"]),
        ({"pose": {"position": {"X": 1}}}, iceway.UnknownField, ["pose.position", "X", "x, y, z"]),
        ({"pose": {3: 1}}, iceway.FieldTypeError, ["pose", "3"]),
        ({"headers": [{}, {"stamp": {"sec": 2**31}}]}, iceway.FieldValueError, ["headers[1].stamp.sec"]),
        ({"headers": {"a": 1}}, iceway.FieldTypeError, ["headers"]),
        ({"headers": [3]}, iceway.FieldTypeError, ["headers[0]"]),
        ({"two_points": [{}]}, iceway.FieldValueError, ["two_points", "2", "1"]),
        ({"points": np.zeros((3, 2))}, iceway.FieldValueError, ["points", "(N, 3)", "(3, 2)"]),
        ({"points": np.zeros((3, 3), np.float16)}, None, []),
        (
            {"points": np.zeros(3, [("x", "f8"), ("z", "f8"), ("y", "f8")])},
            iceway.FieldTypeError,
            ["points", "x, y, z"],
        ),
        ({"pairs": np.zeros((3, 2))}, iceway.FieldTypeError, ["pairs[0]", "demo_msgs/msg/Pair"]),
        ({"nope": 1}, iceway.UnknownField, ["demo_msgs/msg/Zoo", "nope"]),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_what_does_not_fit(fields, error, words):
    if error is None:
        zoo(**fields)
        return
    with pytest.raises(error) as caught:
        zoo(**fields)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@dataclass
class Point:
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


@dataclass
class Pose:
    position: Point = field(default_factory=Point)
    orientation: object = field(default_factory=lambda: SimpleNamespace(x=0.0, y=0.0, z=0.0, w=0.5))


def test_messages_from_any_object():
    Tuple = namedtuple("Tuple", "x y z")
    for point in (
        {"x": 1.0},
        MappingProxyType({"x": 1.0}),
        Point(1.0),
        Tuple(1.0, 0.0, 0.0),
        make("geometry_msgs/Point", x=1.0),
        np.array([(1.0, 2.0, 3.0)], [("x", "f8"), ("y", "f8"), ("z", "f8")])[0],
    ):
        assert zoo(pose={"position": point}).pose.position.x == 1.0
    assert zoo(pose=Pose(Point(2.0))).pose.orientation.w == 0.5
    with pytest.raises(iceway.FieldTypeError, match=r"pose\.position\.z.*no such attribute"):
        zoo(pose={"position": SimpleNamespace(x=1.0, y=2.0)})


def test_messages_from_messages():
    source = make("nav_msgs/Path", header={"frame_id": "map"}, poses=[{"header": {"frame_id": "a"}}, {}])
    path = make("nav_msgs/Path", header=source.header, poses=source.poses)
    assert path == source
    assert make("nav_msgs/Path", poses=[source.poses[0]]).poses[0].header.frame_id == "a"
    assert schema("nav_msgs/Path").encode(source) == schema("nav_msgs/Path").encode(
        header=source.header, poses=source.poses
    )
    with pytest.raises(iceway.FieldTypeError, match=r"header: expected std_msgs/msg/Header, got nav_msgs/msg/Path"):
        make("nav_msgs/Path", header=source)
    with pytest.raises(iceway.TypeMismatch, match=r"std_msgs/msg/String.*nav_msgs/msg/Path"):
        schema("std_msgs/String").encode(source)
    with pytest.raises(iceway.TypeMismatch):
        schema("std_msgs/String").encode(3)
    with pytest.raises(iceway.InvalidOption, match="not both"):
        schema("std_msgs/String").encode(make("std_msgs/String"), data="x")
    assert schema("std_msgs/String").encode({"data": "x"}) == schema("std_msgs/String").encode(data="x")


def test_large_nested_messages_keep_their_arrays():
    kind = iceway.Schema(
        "a/B",
        "string s\nsensor_msgs/Image image\n"
        + "=" * 80
        + "\nMSG: sensor_msgs/Image\n"
        + schema("sensor_msgs/Image").definition,
    )
    pixels = np.random.default_rng(1).integers(0, 256, 300_000, np.uint8)
    image = make("sensor_msgs/Image", height=5, data=pixels, header={"frame_id": "cam"})
    got = kind.view(kind.encode(image=image)).image
    assert got == image


def test_structured_arrays():
    points = np.zeros(3, [("x", "f8"), ("y", "f8"), ("z", "f8")])
    points["x"] = [1, 2, 3]
    assert zoo(points=points).points["x"].tolist() == [1, 2, 3]
    assert zoo(points=points[::2]).points["x"].tolist() == [1, 3]
    assert zoo(points=zoo(points=points).points).points["x"].tolist() == [1, 2, 3]
    narrow = points.astype([("x", "f4"), ("y", "f4"), ("z", "f4")])
    assert zoo(points=narrow).points["x"].tolist() == [1, 2, 3]
    assert zoo(points=np.arange(6.0).reshape(2, 3)).points["y"].tolist() == [1, 4]
    assert zoo(two_points=np.arange(6.0).reshape(2, 3)).two_points["z"].tolist() == [2, 5]
    assert len(zoo(points=points[:0]).points) == 0
    pairs = np.zeros(4, [("small", "u1"), ("large", "f8")])
    pairs["small"], pairs["large"] = [1, 2, 3, 4], [0.5, 1.5, 2.5, 3.5]
    got = zoo(pairs=pairs).pairs
    assert [pair.small for pair in got] == [1, 2, 3, 4]
    assert [pair.large for pair in got] == [0.5, 1.5, 2.5, 3.5]
    poses = make("geometry_msgs/PoseArray", poses=[{"position": {"x": i}} for i in range(3)]).poses
    again = make("geometry_msgs/PoseArray", poses=poses)
    np.testing.assert_array_equal(again.poses["position"]["x"], [0, 1, 2])
    flat = make("geometry_msgs/PoseArray", poses=np.arange(14.0).reshape(2, 7))
    assert flat.poses["orientation"]["w"].tolist() == [6, 13]


def test_options_never_shadow_fields():
    # Zoo has a field `cause`; `casting_` is always the option.
    assert zoo(cause=1.5).cause == 1.5
    kind = iceway.Schema("a/B", "string casting\nfloat32[] values")
    msg = kind.view(kind.encode(casting="iron", values=np.zeros(2), casting_="same_kind"))
    assert (msg.casting, len(msg.values)) == ("iron", 2)
    with pytest.raises(iceway.FieldTypeError):
        kind.encode(casting="same_kind", values=np.zeros(2))


def test_padding_is_zero():
    data = ZOO.encode(flag=True, f64=1.0, pairs=np.zeros(2, [("small", "u1"), ("large", "f8")]))
    assert data == ZOO.encode(flag=True, f64=1.0, pairs=[{}, {}])


class Tensor:
    """What torch's tensors look like to NumPy."""

    def __init__(self, array, error=None):
        self._array, self._error = array, error

    def __array__(self, dtype=None, copy=None):
        if self._error:
            raise self._error
        return self._array


def test_tensors():
    assert zoo(f32s=Tensor(np.ones(3, np.float32))).f32s.tolist() == [1, 1, 1]
    with pytest.raises(iceway.FieldTypeError, match=r"f32s.*Tensor.*call \.cpu\(\) first"):
        zoo(f32s=Tensor(None, TypeError("call .cpu() first")))
    with pytest.raises(iceway.FieldTypeError, match="f32s"):
        zoo(f32s=Tensor(np.ones(3)))


def test_copies_can_be_written_to():
    msg = iceway.copy(make("demo_msgs/Zoo", f32s=[1, 2, 3], points=[{}, {}], text="abc", texts=["a"], headers=[{}]))
    msg.f32s[0] = 9
    msg.f32s = [7, 8, 9]
    msg.i32 = -5
    msg.flag = True
    msg.b = b"\x05"
    msg.f64 = 2
    msg.pose.position.y = 4.5
    msg.points["x"] = [1, 2]
    msg.points = np.ones((2, 3))
    msg.headers[0].stamp.sec = 3
    assert msg.f32s.tolist() == [7, 8, 9]
    assert (msg.i32, msg.flag, msg.b, msg.f64, msg.pose.position.y) == (-5, True, 5, 2.0, 4.5)
    assert msg.points["z"].tolist() == [1, 1]
    assert msg.headers[0].stamp.sec == 3
    for name, value, error in [
        ("i32", 2**31, iceway.FieldValueError),
        ("i32", 1.5, iceway.FieldTypeError),
        ("i32", "a", iceway.FieldTypeError),
        ("i32", [1], iceway.FieldTypeError),
        ("flag", 1, iceway.FieldTypeError),
        ("f32s", [1, 2], iceway.FieldValueError),
        ("f32s", np.zeros(3), iceway.FieldTypeError),
        ("points", np.ones((3, 3)), iceway.FieldValueError),
        ("text", "abcd", iceway.LoanError),
        ("texts", ["b"], iceway.LoanError),
        ("pose", {}, iceway.LoanError),
        ("LIMIT", 3, iceway.ReadOnly),
        ("nope", 3, iceway.UnknownField),
    ]:
        with pytest.raises(error):
            setattr(msg, name, value)


def test_big_endian_copies_can_be_written_to():
    from definitions import big_endian

    data = big_endian("geometry_msgs/Point", x=1.0, y=2.0, z=3.0)
    msg = iceway.copy(schema("geometry_msgs/Point").view(data))
    msg.y = 5.5
    assert (msg.x, msg.y, msg.z) == (1.0, 5.5, 3.0)
