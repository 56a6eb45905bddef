"""to_dict, copy, info, pickling."""

import copy
import json
import pickle

import numpy as np
import pytest

import iceway
from definitions import make, schema


def path():
    return make("nav_msgs/Path", header={"frame_id": "map"}, poses=[{"pose": {"position": {"x": 1}}}, {}])


def test_to_dict():
    got = iceway.to_dict(path())
    assert got["header"] == {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": "map"}
    assert got["poses"][0]["pose"]["position"] == {"x": 1.0, "y": 0.0, "z": 0.0}
    assert schema("nav_msgs/Path").encode(**got) == schema("nav_msgs/Path").encode(path())


def test_to_dict_arrays():
    msg = make("demo_msgs/Zoo", f32s=[1, 2], points=[{"x": 1}], texts=["a"], pairs=[{"small": 1}])
    copied, viewed, listed = (iceway.to_dict(msg, arrays=how) for how in ("copy", "view", "list"))
    assert copied["f32s"].flags.writeable
    assert not np.shares_memory(copied["f32s"], msg.f32s)
    assert np.shares_memory(viewed["f32s"], msg.f32s)
    assert listed["f32s"] == [1.0, 2.0]
    assert listed["points"] == [{"x": 1.0, "y": 0.0, "z": 0.0}]
    assert listed["pairs"] == [{"small": 1, "large": 0.0}]
    assert listed["texts"] == ["a"]
    assert json.loads(json.dumps(listed)) == listed
    poses = make("geometry_msgs/PoseArray", poses=[{"position": {"x": 1}}])
    assert iceway.to_dict(poses, arrays="list")["poses"][0]["position"] == {"x": 1.0, "y": 0.0, "z": 0.0}
    with pytest.raises(iceway.InvalidOption, match="arrays"):
        iceway.to_dict(msg, arrays="nope")


@pytest.mark.parametrize("function", [iceway.to_dict, iceway.copy, iceway.info, iceway.release])
def test_only_messages_will_do(function):
    with pytest.raises(iceway.FieldTypeError, match=r"a message of iceway, not dict"):
        function({})


@pytest.mark.parametrize(
    "make_copy", [iceway.copy, copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_copies_are_independent(make_copy):
    msg = path()
    for original in (msg, msg.header, msg.poses[0], msg.poses[0].pose):
        duplicate = make_copy(original)
        assert duplicate == original
        assert type(duplicate) is iceway.Message
    array = make("sensor_msgs/Image", data=range(50))
    duplicate = make_copy(array)
    assert not np.shares_memory(duplicate.data, array.data)
    assert duplicate.data.tolist() == list(range(50))


def test_info_of_offline_messages():
    info = iceway.info(path().header)
    assert info.type == "nav_msgs/msg/Path"
    assert info.origin == "offline"
    assert (info.topic, info.seq, info.source_ns, info.hop_s) == ("", 0, 0, 0.0)


def test_pickled_schemas():
    kind = schema("nav_msgs/Path")
    assert pickle.loads(pickle.dumps(kind)) == kind
    assert pickle.loads(pickle.dumps(path().poses[0].header)).frame_id == ""
