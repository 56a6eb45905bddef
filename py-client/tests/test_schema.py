"""Reading messages without a broker."""

import contextlib
import gc
import mmap
import weakref

import numpy as np
import pytest

import iceway
from definitions import big_endian, definition, make, schema

NUMBERS = {
    "i8": ("int8", np.int8, -5),
    "u8": ("uint8", np.uint8, 200),
    "i16": ("int16", np.int16, -3000),
    "u16": ("uint16", np.uint16, 60000),
    "i32": ("int32", np.int32, -(2**30)),
    "u32": ("uint32", np.uint32, 2**32 - 1),
    "i64": ("int64", np.int64, -(2**62)),
    "u64": ("uint64", np.uint64, 2**64 - 1),
    "f32": ("float32", np.float32, 1.5),
    "f64": ("float64", np.float64, 0.1),
}


def test_type_hashes_are_those_of_ros():
    # From the .json files that ROS 2 Jazzy installs.
    assert schema("std_msgs/String").type_hash == (
        "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"
    )
    assert schema("std_msgs/Header").type_hash == (
        "RIHS01_f49fb3ae2cf070f793645ff749683ac6b06203e41c891e17701b1cb597ce6a01"
    )


def test_schema_describes_the_type():
    kind = schema("demo_msgs/Zoo")
    assert kind.type_name == "demo_msgs/msg/Zoo"
    assert kind.fields["u16s"] == "uint16[3]"
    assert kind.fields["i64s"] == "int64[<=4]"
    assert kind.fields["short_text"] == "string<=5"
    assert kind.fields["points"] == "geometry_msgs/msg/Point[]"
    assert list(kind.fields)[:3] == ["flag", "b", "c"]
    assert kind.constants == {"LIMIT": 7, "NAME": "zoo"}
    assert kind.defaults["with_default"] == 42
    assert kind.defaults["text_default"] == "hello"
    np.testing.assert_array_equal(kind.defaults["array_default"], [1.5, 2.5])
    assert kind == iceway.Schema("demo_msgs/Zoo", kind.definition)
    assert hash(kind) == hash(iceway.Schema("demo_msgs/Zoo", kind.definition))
    assert kind != schema("std_msgs/String")
    assert "demo_msgs/msg/Zoo" in repr(kind)


@pytest.mark.parametrize(("code", "dtype", "value"), NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("order", ["little", "big"])
def test_numbers(code, dtype, value, order):
    kind = iceway.Schema("a/B", f"uint8 first\n{code} single\n{code}[] many\n{code}[3] three\n{code}[<=4] some")
    fields = {"first": 1, "single": value, "many": [value] * 5, "three": [0, 1, value], "some": []}
    data = kind.encode(**fields) if order == "little" else _big_endian_of(kind, fields)
    kind.validate(data)
    msg = kind.view(data)
    assert msg.single == value
    assert type(msg.single) is (float if code.startswith("f") else int)
    for name in ("many", "three", "some"):
        array = getattr(msg, name)
        assert array.dtype == np.dtype(dtype).newbyteorder("<" if order == "little" else ">")
        assert array.shape == (len(fields[name]),)
        assert array.flags.aligned
        assert not array.flags.writeable
        np.testing.assert_array_equal(array, np.array(fields[name], dtype))


def _big_endian_of(kind, fields):
    import definitions

    definitions._TEXTS["tmp/Kind"] = kind.definition
    schema.cache_clear()
    return big_endian("tmp/Kind", **fields)


def test_defaults_of_an_empty_message():
    zoo = make("demo_msgs/Zoo")
    assert (zoo.flag, zoo.b, zoo.c, zoo.i8, zoo.f64) == (False, 0, 0, 0, 0.0)
    assert (zoo.text, zoo.wide, zoo.text_default, zoo.with_default) == ("", "", "hello", 42)
    assert zoo.array_default.tolist() == [1.5, 2.5]
    assert zoo.u16s.tolist() == [0, 0, 0]
    assert len(zoo.texts) == len(zoo.points) == len(zoo.headers) == 0
    assert zoo.pose.orientation.w == 1.0
    assert (zoo.LIMIT, zoo.NAME) == (7, "zoo")


def test_strings():
    zoo = make("demo_msgs/Zoo", text="grüße 🙂", short_text="fünf", wide="weit 🙂", texts=["", "b", "ä"], wides=["x"])
    assert zoo.text == "grüße 🙂"
    assert zoo.short_text == "fünf"
    assert zoo.wide == "weit 🙂"
    assert zoo.texts == ["", "b", "ä"]
    assert zoo.wides == ("x",)


def test_text_that_is_not_utf8_survives():
    kind = schema("std_msgs/String")
    data = kind.encode(data="caf?")
    latin = data.replace(b"caf?", b"caf\xe9")
    msg = kind.view(latin)
    assert msg.data == "caf\udce9"
    assert kind.encode(data=msg.data) == latin


def test_arrays_of_fixed_size_messages_are_one_structured_view():
    points = [{"x": i, "y": 2 * i, "z": 3 * i} for i in range(4)]
    zoo = make("demo_msgs/Zoo", points=points, two_points=points[:2], pairs=[{"small": 1, "large": 2.5}] * 3)
    assert zoo.points.dtype.names == ("x", "y", "z")
    assert zoo.points["y"].tolist() == [0, 2, 4, 6]
    assert zoo.two_points["z"].tolist() == [0, 3]
    # The elements of these lie differently, depending on where they start: no array can describe them.
    assert isinstance(zoo.pairs, iceway.Sequence)
    assert [pair.large for pair in zoo.pairs] == [2.5, 2.5, 2.5]
    assert not zoo.points.flags.writeable
    poses = make("geometry_msgs/PoseArray", poses=[{"position": {"x": 3}}] * 2).poses
    assert poses["position"]["x"].tolist() == [3, 3]
    assert poses["orientation"]["w"].tolist() == [1, 1]


def test_sequences_of_messages():
    headers = [{"frame_id": f"f{i}", "stamp": {"sec": i}} for i in range(5)]
    found = make("demo_msgs/Zoo", headers=headers).headers
    assert len(found) == 5
    assert [h.frame_id for h in found] == ["f0", "f1", "f2", "f3", "f4"]
    assert found[-1].stamp.sec == 4
    assert [h.frame_id for h in found[::-2]] == ["f4", "f2", "f0"]
    assert [h.frame_id for h in found[1:4][1:]] == ["f2", "f3"]
    assert found[3] == found[3]
    assert found[3] in found
    assert "x" not in found
    assert isinstance(found[1:2], iceway.Sequence)
    assert found[1:3] == found[1:3]
    assert found[1:3] != found[2:4]
    with pytest.raises(IndexError):
        found[5]
    with pytest.raises(IndexError):
        found[-6]
    with pytest.raises(TypeError):
        found["a"]
    assert repr(found[:1]) == "[Header(stamp=Time(sec=0, nanosec=0), frame_id='f0')]"


def test_sequences_of_strings_behave_like_tuples():
    names = make("sensor_msgs/JointState", name=["a", "b", "a"]).name
    assert names == ["a", "b", "a"]
    assert names == ("a", "b", "a")
    assert names != ["a", "b"]
    assert names != "aba"
    assert names.index("b") == 1
    assert names.index("a", 1) == 2
    assert names.count("a") == 2
    assert list(reversed(names)) == ["a", "b", "a"]
    assert "b" in names
    assert [*names, *names[:1]] == ["a", "b", "a", "a"]
    with pytest.raises(ValueError, match="'z' is not in"):
        names.index("z")


def test_sequences_count_as_sequences():
    from collections.abc import Sequence

    assert isinstance(make("sensor_msgs/JointState", name=["a"]).name, Sequence)


def test_messages_show_fields_and_constants_and_nothing_else():
    zoo = make("demo_msgs/Zoo")
    assert set(dir(zoo)) == set(schema("demo_msgs/Zoo").fields) | {"LIMIT", "NAME"}
    assert hasattr(zoo, "flag")
    assert not hasattr(zoo, "flagg")
    with pytest.raises(iceway.UnknownField, match=r"demo_msgs/msg/Zoo has no field \"flagg\".*flag, b, c"):
        zoo.flagg  # noqa: B018
    with pytest.raises(AttributeError):
        zoo.__array_interface__  # noqa: B018


@pytest.mark.parametrize(
    "name", ["copy", "release", "topic", "data", "cause", "msg", "self", "type", "fields", "cls"]
)
def test_any_field_name_works(name):
    kind = iceway.Schema("a/B", f"int32 {name}")
    assert getattr(kind.view(kind.encode(**{name: 3})), name) == 3


def test_messages_are_read_only():
    msg = make("sensor_msgs/Image", data=[1, 2, 3])
    with pytest.raises(iceway.ReadOnly, match=r"iceway\.copy"):
        msg.height = 3
    with pytest.raises(iceway.ReadOnly):
        msg.data = [1, 2, 3]
    with pytest.raises(iceway.ReadOnly):
        del msg.data
    with pytest.raises(ValueError, match="read-only"):
        msg.data[0] = 9
    with pytest.raises(ValueError, match="WRITEABLE"):
        msg.data.flags.writeable = True
    with pytest.raises(iceway.UnknownField):
        msg.foo = 3


def test_reprs():
    data = np.zeros(1080 * 1920 * 3, np.uint8)
    msg = make("sensor_msgs/Image", height=1080, width=1920, encoding="rgb8", step=5760, data=data)
    assert repr(msg) == "Image(1080x1920 rgb8)"
    assert repr(make("std_msgs/String", data="x")) == "String(data='x')"
    pose = make("geometry_msgs/PoseStamped", pose={"position": {"x": 1.5}})
    assert repr(pose.pose.position) == "Point(x=1.5, y=0, z=0)"
    assert len(repr(make("demo_msgs/Zoo", text="a" * 10_000, f32s=range(1000)))) < 400
    broken = schema("std_msgs/String").view(b"\0\1\0\0\xff\0\0\0")
    assert "unreadable" in repr(broken)


def test_equality_is_by_value():
    fields = {"name": ["a"], "position": [1.0, 2.0]}
    one, same = make("sensor_msgs/JointState", **fields), make("sensor_msgs/JointState", **fields)
    assert one == same
    assert one != make("sensor_msgs/JointState", name=["b"], position=[1.0, 2.0])
    assert one != make("sensor_msgs/JointState", name=["a"], position=[1.0])
    assert one.header == same.header
    assert one != "something else"
    with pytest.raises(TypeError):
        hash(one)


def test_views_accept_any_buffer_and_keep_it_alive():
    data = schema("sensor_msgs/Image").encode(data=range(100))
    for make_buffer in (bytes, bytearray, memoryview, lambda d: np.frombuffer(d, np.uint8)):
        msg = schema("sensor_msgs/Image").view(make_buffer(data))
        array = msg.data
        del msg
        gc.collect()
        assert array.tolist() == list(range(100))
    mapped = mmap.mmap(-1, len(data))
    mapped[:] = data
    assert schema("sensor_msgs/Image").view(mapped).data[99] == 99
    # A buffer that is looked into cannot be resized.
    buffer = bytearray(data)
    msg = schema("sensor_msgs/Image").view(buffer)
    with pytest.raises(BufferError):
        buffer.append(0)
    del msg
    buffer.append(0)


@pytest.mark.parametrize("bad", [3, None, "text", [1, 2], np.zeros((4, 4))[:, 0], b"", b"\0\1"])
def test_views_refuse_what_is_no_message(bad):
    with pytest.raises(iceway.Error):
        schema("std_msgs/String").view(bad)


def test_view_copies_only_where_arrays_would_be_misaligned():
    data = np.frombuffer(schema("sensor_msgs/JointState").encode(position=[1.0, 2.0]), np.uint8)
    room = np.zeros(len(data) + 64, np.uint8)
    start = -room.ctypes.data % 64
    aligned, misaligned = room[start + 4 :][: len(data)], room[start : start + len(data)]
    aligned[:] = data
    kind = schema("sensor_msgs/JointState")
    assert np.shares_memory(kind.view(aligned).position, room)
    assert not np.shares_memory(kind.view(aligned, copy=True).position, room)
    misaligned[:] = data
    assert not np.shares_memory(kind.view(misaligned).position, room)
    assert kind.view(misaligned).position.flags.aligned
    unaligned = kind.view(misaligned, copy=False).position
    assert np.shares_memory(unaligned, room)
    assert not unaligned.flags.aligned
    assert unaligned.tolist() == [1.0, 2.0]


def test_copies_are_placed_for_simd():
    for length in range(1, 40):
        msg = iceway.copy(make("sensor_msgs/Image", header={"frame_id": "f" * length}, data=range(100)))
        assert msg.data.ctypes.data % 64 == 0


def test_release():
    msg = make("geometry_msgs/PoseArray", poses=[{}] * 3)
    header, poses = msg.header, msg.poses
    assert iceway.release(msg) is False  # `poses` still holds the memory
    with pytest.raises(iceway.Released, match="copy"):
        msg.poses  # noqa: B018
    with pytest.raises(iceway.Released):
        header.frame_id  # noqa: B018
    assert poses["orientation"]["w"].tolist() == [1, 1, 1]
    assert iceway.release(msg) is True
    assert "unreadable" in repr(msg)


def test_memory_goes_with_the_last_reference():
    class Buffer(bytearray):
        """A bytearray that can be watched."""

    data = Buffer(schema("sensor_msgs/Image").encode(data=range(100)))
    gone = weakref.ref(data)
    msg = schema("sensor_msgs/Image").view(data)
    part = msg.data[10:20]
    header = msg.header
    del data, msg
    gc.collect()
    assert gone() is not None
    assert part.tolist() == list(range(10, 20))
    del part
    assert header.frame_id == ""
    del header
    gc.collect()
    assert gone() is None


def test_messages_can_be_watched():
    msg = make("std_msgs/String")
    gone = weakref.ref(msg)
    del msg
    assert gone() is None


@pytest.mark.parametrize("name", ["demo_msgs/Zoo", "nav_msgs/Path", "sensor_msgs/PointCloud2"])
def test_every_truncation_is_an_error_and_never_more(name):
    fields = {
        "demo_msgs/Zoo": {"text": "abc", "texts": ["a", "b"], "headers": [{"frame_id": "x"}], "f32s": [1, 2, 3]},
        "nav_msgs/Path": {"poses": [{"header": {"frame_id": "a"}}, {}]},
        "sensor_msgs/PointCloud2": {"fields": [{"name": "x"}], "data": range(20)},
    }[name]
    kind = schema(name)
    data = kind.encode(**fields)
    kind.validate(data)
    for cut in range(4, len(data)):
        part = data[:cut]
        with pytest.raises(iceway.MalformedMessage) as caught:
            kind.validate(part)
        error = caught.value
        assert error.field
        assert error.offset <= cut + 8
        assert error.needed is None or error.needed > error.available
        try:
            iceway.to_dict(kind.view(part))
        except iceway.MalformedMessage:
            pass
        else:
            pytest.fail(f"cut at {cut} was read")


def test_lying_lengths_cost_nothing():
    kind = schema("sensor_msgs/JointState")
    data = bytearray(kind.encode(name=["a"]))
    # The length of `name`.
    at = data.index(b"\1\0\0\0\2\0\0\0a")
    data[at : at + 4] = b"\xff\xff\xff\x7f"
    msg = kind.view(data)
    with pytest.raises(iceway.MalformedMessage, match="name"):
        msg.name  # noqa: B018
    with pytest.raises(iceway.MalformedMessage, match="name"):
        kind.validate(data)


def test_garbage_never_crashes():
    rng = np.random.default_rng(7)
    kind = schema("demo_msgs/Zoo")
    good = bytearray(kind.encode(text="abc", texts=["a"], headers=[{}], f32s=[1], points=[{}]))
    for _ in range(2000):
        data = bytearray(good)
        for at in rng.integers(4, len(data), 3):
            data[at] = rng.integers(0, 256)
        with contextlib.suppress(iceway.MalformedMessage):
            iceway.to_dict(kind.view(data))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("int33 a", ["line 1", "int33"]),
        ("int32 a\nfloat32", ["line 2"]),
        ("Unknown x", ["Unknown"]),
        ("int32 a\nint32 a", ["a"]),
    ],
)
def test_definitions_that_are_wrong(text, words):
    with pytest.raises(iceway.DefinitionError) as caught:
        iceway.Schema("a/B", text)
    assert all(word in str(caught.value) for word in words)
    assert caught.value.line >= 0


@pytest.mark.parametrize("name", ["", "a", "a/b/c/d", "a b/C"])
def test_type_names_that_are_wrong(name):
    with pytest.raises(iceway.InvalidName, match="pkg/msg/Name"):
        iceway.Schema(name, "int32 a")


def test_definition_helper_is_complete():
    assert "MSG: builtin_interfaces/Time" in definition("nav_msgs/Path")
