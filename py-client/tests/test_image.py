"""Images: every encoding of sensor_msgs/image_encodings.hpp."""

import numpy as np
import pytest

import iceway
from definitions import big_endian, make

EIGHT, SIXTEEN = np.uint8, np.uint16
ENCODINGS = {
    "mono8": (EIGHT, 1),
    "mono16": (SIXTEEN, 1),
    "rgb8": (EIGHT, 3),
    "rgba8": (EIGHT, 4),
    "rgb16": (SIXTEEN, 3),
    "rgba16": (SIXTEEN, 4),
    "bgr8": (EIGHT, 3),
    "bgra8": (EIGHT, 4),
    "bgr16": (SIXTEEN, 3),
    "bgra16": (SIXTEEN, 4),
    **{f"bayer_{order}{bits}": (kind, 1) for order in ("rggb", "bggr", "gbrg", "grbg") for bits, kind in ((8, EIGHT), (16, SIXTEEN))},
    "uyvy": (EIGHT, 2),
    "yuyv": (EIGHT, 2),
    "yuv422": (EIGHT, 2),
    "yuv422_yuy2": (EIGHT, 2),
    **{
        f"{bits}{kind}C{channels}": (np.dtype(f"{code}{bits // 8}").type, channels)
        for bits, kind, code in (
            (8, "U", "u"), (8, "S", "i"), (16, "U", "u"), (16, "S", "i"), (32, "S", "i"), (32, "F", "f"), (64, "F", "f"),
        )
        for channels in (1, 2, 3, 4)
    },
    "8UC": (EIGHT, 1),
    "TYPE_32FC1": (np.float32, 1),
    "8UC10": (EIGHT, 10),
    "32UC1": (np.uint32, 1),
}  # fmt: skip


def pixels_of(dtype, channels, height=4, width=6):
    shape = (height, width) if channels == 1 else (height, width, channels)
    rng = np.random.default_rng(3)
    if np.issubdtype(dtype, np.floating):
        return rng.random(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def message(pixels, encoding, padding=0, order="<", **more):
    rows = pixels.astype(pixels.dtype.newbyteorder(order)).reshape(pixels.shape[0], -1).view(np.uint8)
    padded = np.full((rows.shape[0], rows.shape[1] + padding), 0xAA, np.uint8)
    padded[:, : rows.shape[1]] = rows
    fields = {
        "height": pixels.shape[0], "width": pixels.shape[1], "encoding": encoding, "step": padded.shape[1],
        "data": padded.reshape(-1), "is_bigendian": int(order == ">"), **more,
    }  # fmt: skip
    return make("sensor_msgs/Image", **fields)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_encoding(encoding, padding, order):
    pixels = pixels_of(*ENCODINGS[encoding])
    msg = message(pixels, encoding, padding, order)
    got = iceway.image(msg)
    assert got.shape == pixels.shape
    np.testing.assert_array_equal(got, pixels)
    assert np.shares_memory(got, msg.data)
    assert not got.flags.writeable
    if pixels.dtype.itemsize > 1:
        assert got.dtype.byteorder in ((">",) if order == ">" else ("<", "="))
    assert got.flags.c_contiguous == (padding == 0)


def test_the_array_keeps_the_message_alive():
    pixels = pixels_of(np.uint8, 3)
    np.testing.assert_array_equal(iceway.image(message(pixels, "rgb8"))[1:], pixels[1:])


@pytest.mark.parametrize(("encoding", "rows"), [("nv21", 6), ("nv24", 12)])
def test_planar_encodings(encoding, rows):
    data = np.arange(rows * 6, dtype=np.uint8)
    msg = make("sensor_msgs/Image", height=4, width=6, encoding=encoding, step=6, data=data)
    got = iceway.image(msg)
    assert got.shape == (rows, 6)
    np.testing.assert_array_equal(got.reshape(-1), data)
    assert np.shares_memory(got, msg.data)
    fields = iceway.image_fields(got, encoding)
    assert (fields["height"], fields["width"], fields["step"]) == (4, 6, 6)


def test_big_endian_frames():
    msg_bytes = big_endian(
        "sensor_msgs/Image",
        header={"stamp": {"sec": 1, "nanosec": 2}, "frame_id": "cam"},
        height=2, width=3, encoding="mono8", is_bigendian=0, step=3, data=[1, 2, 3, 4, 5, 6],
    )  # fmt: skip
    from definitions import schema

    assert iceway.image(schema("sensor_msgs/Image").view(msg_bytes)).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_empty_images():
    assert iceway.image(make("sensor_msgs/Image", encoding="rgb8")).shape == (0, 0, 3)
    assert iceway.image(make("sensor_msgs/Image", encoding="mono8", height=3)).shape == (3, 0)
    assert iceway.image(make("sensor_msgs/Image", encoding="mono8", width=3)).shape == (0, 3)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"encoding": "rgb9"}, ["rgb9", "image_encodings"]),
        ({"encoding": ""}, ["unknown image encoding"]),
        ({"encoding": "8FC1"}, ["8FC1"]),
        ({"encoding": "8UC0"}, ["8UC0"]),
        ({"encoding": "٨UC1"}, ["unknown"]),
        ({"step": 17}, ["step is 17", "18"]),
        ({"data": bytes(71)}, ["71 bytes", "needs 72"]),
        ({"height": 2**31, "width": 2**31}, ["step"]),
        ({"height": 2**32 - 1, "step": 2**32 - 1}, ["needs"]),
        ({"encoding": "nv21", "height": 3, "step": 6}, ["even"]),
        ({"encoding": "nv24", "step": 8, "data": bytes(1000)}, ["padded"]),
    ],
)
def test_images_that_lie(fields, words):
    good = {"height": 4, "width": 6, "encoding": "rgb8", "step": 18, "data": bytes(72)}
    iceway.image(make("sensor_msgs/Image", **good))
    with pytest.raises(iceway.EncodingError) as caught:
        iceway.image(make("sensor_msgs/Image", **{**good, **fields}))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_the_last_row_need_not_be_padded():
    data = np.arange(3 * 8 + 6, dtype=np.uint8)
    msg = make("sensor_msgs/Image", height=4, width=6, encoding="mono8", step=8, data=data)
    assert iceway.image(msg)[3].tolist() == list(range(24, 30))


def test_what_is_no_image():
    with pytest.raises(iceway.FieldTypeError, match=r"imdecode"):
        iceway.image(make("sensor_msgs/CompressedImage"))
    with pytest.raises(iceway.FieldTypeError, match="std_msgs/msg/String"):
        iceway.image(make("std_msgs/String"))
    with pytest.raises(iceway.FieldTypeError, match="ndarray"):
        iceway.image(np.zeros(3))


@pytest.mark.parametrize("encoding", ["mono8", "rgb8", "bgra16", "32FC1", "64FC3", "bayer_rggb16", "yuyv"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_images_from_pixels(encoding, order):
    pixels = pixels_of(*ENCODINGS[encoding])
    pixels = pixels.astype(pixels.dtype.newbyteorder(order))
    np.testing.assert_array_equal(
        iceway.image(make("sensor_msgs/Image", **iceway.image_fields(pixels, encoding))), pixels
    )
    crop = pixels[1:3, ::-1]
    np.testing.assert_array_equal(
        iceway.image(make("sensor_msgs/Image", **iceway.image_fields(crop, encoding))), crop
    )


def test_pixels_that_do_not_fit():
    with pytest.raises(iceway.FieldTypeError, match="uint8, not float64"):
        iceway.image_fields(np.zeros((2, 2, 3)), "rgb8")
    with pytest.raises(iceway.FieldValueError, match=r"\(height, width, 3\), not \(2, 2\)"):
        iceway.image_fields(np.zeros((2, 2), np.uint8), "rgb8")
    with pytest.raises(iceway.FieldValueError):
        iceway.image_fields(np.zeros((2, 2, 4), np.uint8), "rgb8")
    with pytest.raises(iceway.EncodingError):
        iceway.image_fields(np.zeros((2, 2, 4), np.uint8), "rgb9")


def test_copies_are_writable_images():
    msg = iceway.copy(message(pixels_of(np.uint8, 3), "rgb8"))
    iceway.image(msg)[...] = 7
    assert set(msg.data.tolist()) == {7}
