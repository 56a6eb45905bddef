"""The real frameworks take arrays without copying them. `make test-frameworks` installs them.

Each test prints whether the framework's memory is the message's.
"""

import importlib.util
import os
import threading
import warnings

import numpy as np
import pytest

import iceway
from definitions import schema

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytestmark = [pytest.mark.broker, pytest.mark.filterwarnings("ignore")]
IMAGE = schema("sensor_msgs/Image")
WANTED = os.environ.get("ICEWAY_FRAMEWORKS") == "1"


def framework(name):
    """Import a framework; where they are wanted, one that is missing is a failure."""
    if not WANTED and importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed (make test-frameworks)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


@pytest.fixture(params=[0, 1, 7])
def pixels(world, request):
    """A received image whose header has another length each time: arrays are aligned wherever they lie."""
    with iceway.connect() as bus, iceway.connect() as other:
        sub, pub = other.subscribe("/image", IMAGE), bus.advertise("/image", IMAGE)
        picture = np.random.default_rng(request.param).integers(0, 256, (48, 64, 3), np.uint8)
        pub.publish(header={"frame_id": "x" * request.param}, **iceway.image_fields(picture, "rgb8"))
        array = iceway.image(sub.recv(10))
        assert array.ctypes.data % 64 == 0
        yield array


@pytest.fixture
def floats(world):
    kind = schema("sensor_msgs/JointState")
    with iceway.connect() as bus, iceway.connect() as other:
        sub, pub = other.subscribe("/joints", kind), bus.advertise("/joints", kind)
        pub.publish(name=["a", "bcd"], position=np.arange(1000.0))
        yield sub.recv(10).position


def shared(framework, name, address, array):
    same = address == array.ctypes.data
    print(f"\n{name} {framework.__version__}: {'shares the pointer' if same else 'COPIES'} ({address:#x})", end=" ")
    assert same


def test_torch(pixels, floats):
    torch = framework("torch")
    tensor = torch.from_dlpack(pixels)
    assert tensor.shape == (48, 64, 3)
    shared(torch, "torch.from_dlpack", tensor.data_ptr(), pixels)
    doubles = torch.from_dlpack(floats)
    shared(torch, "torch.from_dlpack (float64)", doubles.data_ptr(), floats)
    assert doubles.sum().item() == 499500
    pixels_before = pixels.copy()
    del pixels, floats
    np.testing.assert_array_equal(tensor.numpy(), pixels_before)


def test_torch_tensors_are_published(world):
    torch = framework("torch")
    kind = schema("demo_msgs/Zoo")
    with iceway.connect() as bus, iceway.connect() as other:
        sub, pub = other.subscribe("/zoo", kind), bus.advertise("/zoo", kind)
        pub.publish(f32s=torch.arange(4, dtype=torch.float32), points=torch.ones((2, 3), dtype=torch.float64).numpy())
        msg = sub.recv(10)
        assert msg.f32s.tolist() == [0, 1, 2, 3]
        assert msg.points["x"].tolist() == [1, 1]
        with pytest.raises(iceway.FieldTypeError, match=r"f32s.*float64.*astype"):
            pub.publish(f32s=torch.arange(4, dtype=torch.float64))
        with pytest.raises(iceway.FieldTypeError, match=r"f32s.*grad"):
            pub.publish(f32s=torch.ones(3, requires_grad=True))


def test_torch_fills_a_loan(world):
    torch = framework("torch")
    with iceway.connect() as bus, iceway.connect() as other:
        sub, pub = other.subscribe("/image", IMAGE), bus.advertise("/image", IMAGE)
        with pub.loan(height=4, width=5, encoding="rgb8", step=15, data=60) as msg:
            canvas = iceway.image(msg)
            tensor = torch.from_dlpack(canvas)
            shared(torch, "torch.from_dlpack of a loan", tensor.data_ptr(), canvas)
            tensor.copy_(torch.arange(60, dtype=torch.uint8).reshape(4, 5, 3))
        np.testing.assert_array_equal(sub.recv(10).data, np.arange(60))


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
def test_torch_data_loaders(world, context):
    torch = framework("torch")
    from loading import Frames

    with iceway.connect() as bus:
        pub = bus.advertise("/frames", IMAGE)
        stop = threading.Event()

        def film():
            while not stop.wait(0.005):
                pub.publish(**iceway.image_fields(np.full((4, 4, 3), 7, np.uint8), "rgb8"))

        thread = threading.Thread(target=film)
        thread.start()
        try:
            loader = torch.utils.data.DataLoader(
                Frames("/frames", 6), batch_size=3, num_workers=2, multiprocessing_context=context
            )
            batches = list(loader)
        finally:
            stop.set()
            thread.join()
        assert [tuple(batch.shape) for batch in batches] == [(3, 4, 4, 3)] * 4
        assert all((batch == 7).all() for batch in batches)


def test_jax_device_put(pixels, floats):
    jax = framework("jax")
    array = jax.device_put(pixels)
    assert array.shape == (48, 64, 3)
    shared(jax, "jax.device_put", array.unsafe_buffer_pointer(), pixels)
    jax.config.update("jax_enable_x64", True)
    doubles = jax.device_put(floats)
    shared(jax, "jax.device_put (float64)", doubles.unsafe_buffer_pointer(), floats)
    assert float(doubles.sum()) == 499500
    before = pixels.copy()
    del pixels
    np.testing.assert_array_equal(array, before)


def test_jax_from_dlpack(pixels, floats):
    jax = framework("jax")
    if jax.__version_info__ < (0, 12):
        # It asks for DLPack's first version, which cannot say that memory is read-only: NumPy refuses.
        with pytest.raises(BufferError, match="readonly"):
            jax.numpy.from_dlpack(pixels)
        print(f"\njax.numpy.from_dlpack {jax.__version__}: refused by NumPy; jax.device_put is the way", end=" ")
        return
    array = jax.numpy.from_dlpack(pixels)
    assert array.shape == (48, 64, 3)
    shared(jax, "jax.numpy.from_dlpack", array.unsafe_buffer_pointer(), pixels)
    jax.config.update("jax_enable_x64", True)
    doubles = jax.numpy.from_dlpack(floats)
    shared(jax, "jax.numpy.from_dlpack (float64)", doubles.unsafe_buffer_pointer(), floats)
    assert float(doubles.sum()) == 499500


def test_tensorflow(pixels, floats):
    tf = framework("tensorflow")
    tensor = tf.experimental.dlpack.from_dlpack(iceway.dlpack(pixels))
    assert tensor.shape == (48, 64, 3)
    # `numpy()` copies; `_numpy()` is what it copies from.
    shared(tf, "tf.experimental.dlpack.from_dlpack(iceway.dlpack(…))", tensor._numpy().ctypes.data, pixels)
    doubles = tf.experimental.dlpack.from_dlpack(iceway.dlpack(floats))
    shared(tf, "tf (float64)", doubles._numpy().ctypes.data, floats)
    assert float(tf.reduce_sum(doubles)) == 499500
    before = pixels.copy()
    del pixels
    np.testing.assert_array_equal(tensor.numpy(), before)


def test_onnxruntime(pixels):
    onnxruntime = framework("onnxruntime")
    value = onnxruntime.OrtValue.ortvalue_from_numpy(pixels)
    shared(onnxruntime, "OrtValue.ortvalue_from_numpy", value.data_ptr(), pixels)


def test_opencv(world):
    cv2 = framework("cv2")
    with iceway.connect() as bus, iceway.connect() as other:
        sub, pub = other.subscribe("/image", IMAGE), bus.advertise("/image", IMAGE)
        # Drawn straight into shared memory.
        with pub.loan(height=48, width=64, encoding="bgr8", step=192, data=48 * 192) as msg:
            canvas = iceway.image(msg)
            canvas[...] = 0
            drawn = cv2.rectangle(canvas, (10, 10), (20, 20), (0, 255, 0), -1)
            shared(cv2, "cv2.rectangle into a loan", drawn.ctypes.data, canvas)
        got = iceway.image(sub.recv(10))
        assert got[15, 15].tolist() == [0, 255, 0]
        assert cv2.cvtColor(got, cv2.COLOR_BGR2GRAY)[15, 15] > 0


def test_old_dlpack_needs_an_array():
    with pytest.raises(iceway.FieldTypeError):
        iceway.dlpack([1, 2])
    array = IMAGE.view(IMAGE.encode(data=[1, 2, 3])).data
    assert type(iceway.dlpack(array)).__name__ == "PyCapsule"
    assert not array.flags.writeable
