"""Point clouds and laser scans."""

import math

import numpy as np
import pytest

import iceway
from definitions import make

TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
XYZ = [("x", 0, 7, 1), ("y", 4, 7, 1), ("z", 8, 7, 1)]


def cloud(fields, points, point_step, height=1, row_padding=0, big_endian=False, **more):
    """A message from the points, a structured array with the fields' names."""
    dtype = np.dtype(
        {
            "names": [f[0] for f in fields],
            "formats": [((">" if big_endian else "<") + TYPES[f[2]], (f[3],)) if f[3] > 1 else (">" if big_endian else "<") + TYPES[f[2]] for f in fields],
            "offsets": [f[1] for f in fields],
            "itemsize": point_step,
        }
    )  # fmt: skip
    width = len(points) // height
    row_step = width * point_step + row_padding
    data = np.full(height * row_step, 0xAA, np.uint8)
    room = np.ndarray((height, width), dtype, data, 0, (row_step, point_step))
    for name in dtype.names:
        room[name] = np.asarray(points[name]).reshape(room[name].shape)
    return make(
        "sensor_msgs/PointCloud2",
        height=height, width=width, point_step=point_step, row_step=row_step, is_bigendian=big_endian,
        fields=[{"name": n, "offset": o, "datatype": t, "count": c} for n, o, t, c in fields],
        **{"data": data, **more},
    )  # fmt: skip


def random_points(n, names=("x", "y", "z")):
    points = np.zeros(n, [(name, "f8") for name in names])
    for name in names:
        points[name] = np.arange(n) + len(name)
    return points


@pytest.mark.parametrize("big_endian", [False, True])
def test_fields_with_gaps(big_endian):
    # As lidar drivers write it: xyz padded to 16 bytes, intensity, ring, time.
    fields = [*XYZ, ("intensity", 16, 7, 1), ("ring", 20, 4, 1), ("time", 24, 8, 1)]
    names = [f[0] for f in fields]
    points = random_points(7, names)
    msg = cloud(fields, points, 32, big_endian=big_endian)
    got = iceway.points(msg)
    assert got.dtype.names == tuple(names)
    assert got.dtype.itemsize == 32
    assert got.shape == (7,)
    for name in names:
        np.testing.assert_array_equal(got[name], points[name])
    assert np.shares_memory(got, msg.data)
    assert not got.flags.writeable
    xyz = iceway.xyz(msg)
    assert xyz.shape == (7, 3)
    assert np.shares_memory(xyz, msg.data)
    assert not xyz.flags.writeable
    np.testing.assert_array_equal(xyz, np.stack([points["x"], points["y"], points["z"]], 1))


@pytest.mark.parametrize("row_padding", [0, 12])
def test_organised_clouds(row_padding):
    points = random_points(12)
    msg = cloud(XYZ, points, 16, height=3, row_padding=row_padding)
    got = iceway.points(msg)
    assert got.shape == (3, 4)
    assert got["y"].reshape(-1).tolist() == points["y"].tolist()
    assert iceway.xyz(msg).shape == (3, 4, 3)
    assert iceway.xyz(got)[2, 1].tolist() == [points["x"][9], points["y"][9], points["z"][9]]


@pytest.mark.parametrize("datatype", TYPES)
def test_every_datatype_and_count(datatype):
    fields = [("a", 1, datatype, 1), ("b", 9, datatype, 3)]
    points = np.zeros(3, [("a", "f8"), ("b", "f8", (3,))])
    points["a"], points["b"] = [1, 2, 3], [[4, 5, 6]] * 3
    got = iceway.points(cloud(fields, points, 40))
    assert got["a"].dtype == "<" + TYPES[datatype]
    assert got["a"].tolist() == [1, 2, 3]
    assert got["b"].shape == (3, 3)
    assert got["b"][1].tolist() == [4, 5, 6]


def test_xyz_where_no_view_is_possible():
    mixed = [("x", 0, 7, 1), ("y", 8, 8, 1), ("z", 16, 7, 1)]
    swapped = [("z", 0, 7, 1), ("y", 4, 7, 1), ("x", 8, 7, 1)]
    for fields in (mixed, swapped):
        points = random_points(5)
        msg = cloud(fields, points, 24)
        with pytest.raises(iceway.LayoutError, match="copy=None"):
            iceway.xyz(msg)
        want = np.stack([points["x"], points["y"], points["z"]], 1)
        np.testing.assert_array_equal(iceway.xyz(msg, copy=None), want)
        np.testing.assert_array_equal(iceway.xyz(msg, copy=True), want)
    even = cloud(XYZ, random_points(5), 16)
    assert np.shares_memory(iceway.xyz(even, copy=None), even.data)
    assert not np.shares_memory(iceway.xyz(even, copy=True), even.data)
    with pytest.raises(iceway.LayoutError, match="it has: a, b"):
        iceway.xyz(np.zeros(3, [("a", "f4"), ("b", "f4")]))
    with pytest.raises(iceway.LayoutError):
        iceway.xyz(np.zeros((3, 3)))


def test_empty_clouds():
    msg = cloud(XYZ, random_points(0), 16)
    assert iceway.points(msg).shape == (0,)
    assert iceway.xyz(msg).shape == (0, 3)
    assert iceway.points(make("sensor_msgs/PointCloud2")).shape == (0,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fields": [("x", 0, 9, 1)]}, ["fields[0]", "datatype 9"]),
        ({"fields": [("x", 0, 0, 1)]}, ["datatype 0"]),
        ({"fields": [("x", 14, 7, 1)]}, ["fields[0]", "18", "16"]),
        ({"fields": [("x", 0, 7, 2**32 - 1)]}, ["fields[0]"]),
        ({"fields": [("x", 0, 7, 1), ("x", 4, 7, 1)]}, ["fields[1]", "'x'", "twice"]),
        ({"data": bytes(10)}, ["10 bytes", "need 80"]),
        ({"width": 2**32 - 1}, ["need"]),
        ({"height": 2, "row_step": 3}, ["row_step is 3"]),
        ({"point_step": 0}, ["point_step"]),
    ],
)
def test_clouds_that_lie(changes, words):
    msg = cloud(XYZ, random_points(5), 16)
    fields = iceway.to_dict(msg)
    changes = dict(changes)
    if "fields" in changes:
        changes["fields"] = [
            dict(zip(("name", "offset", "datatype", "count"), f, strict=True)) for f in changes["fields"]
        ]
    with pytest.raises(iceway.MalformedMessage) as caught:
        iceway.points(make("sensor_msgs/PointCloud2", **{**fields, **changes}))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_what_is_no_cloud():
    with pytest.raises(iceway.FieldTypeError, match="std_msgs/msg/String"):
        iceway.points(make("std_msgs/String"))
    with pytest.raises(iceway.FieldTypeError, match="int"):
        iceway.xyz(3)
    with pytest.raises(iceway.FieldTypeError, match="LaserScan"):
        iceway.scan(make("std_msgs/String"))


def test_scans():
    msg = make(
        "sensor_msgs/LaserScan",
        angle_min=0.0, angle_max=math.pi, angle_increment=math.pi / 2, range_min=0.5, range_max=10.0,
        ranges=[1.0, 2.0, 0.1], intensities=[5, 6, 7],
    )  # fmt: skip
    scan = iceway.scan(msg)
    assert np.shares_memory(scan.ranges, msg.ranges)
    assert np.shares_memory(scan.intensities, msg.intensities)
    np.testing.assert_allclose(scan.angles, [0, math.pi / 2, math.pi], rtol=1e-6)
    assert scan.valid.tolist() == [True, True, False]
    np.testing.assert_allclose(scan.xy(), [[1, 0], [0, 2]], atol=1e-6)
    ranges = np.array([math.nan, math.inf, 1.0], np.float32)
    assert iceway.scan(make("sensor_msgs/LaserScan", range_max=2.0, ranges=ranges)).valid.tolist() == [
        False,
        False,
        True,
    ]
    assert len(iceway.scan(make("sensor_msgs/LaserScan")).angles) == 0
