"""Types: the stubs of the native module, the package, an example, and the stubs of ROS types."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import iceway
from definitions import _TEXTS
from iceway.__main__ import main

PACKAGE = Path(iceway.__file__).parent
EXAMPLE = Path(__file__).parent / "examples" / "detector.py"

# The type checkers are tools of `make lint`; an environment with only the package and pytest has none.
needs_mypy = pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
needs_pyright = pytest.mark.skipif(importlib.util.find_spec("pyright") is None, reason="pyright is not installed")


@pytest.fixture(scope="module")
def types(tmp_path_factory):
    """A folder with `ros_types`, written from the definitions of the tests."""
    folder = tmp_path_factory.mktemp("types")
    share = folder / "share"
    for name, text in _TEXTS.items():
        package, short = name.split("/")
        if package != "tmp":
            (share / package / "msg").mkdir(parents=True, exist_ok=True)
            (share / package / "msg" / f"{short}.msg").write_text(text)
    names = ["sensor_msgs", "geometry_msgs", "nav_msgs/msg/Path", "demo_msgs"]
    assert main(["stubs", *names, "-o", str(folder / "ros_types"), "--share", str(share), "--no-broker"]) == 0
    return folder


def run(*command, **env):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, check=False)
    return done.returncode, done.stdout + done.stderr


def mypy(*arguments, types):
    # What is installed mypy finds by its py.typed, and refuses to be told of.
    installed = "site-packages" in PACKAGE.parts
    path = os.pathsep.join([str(types)] if installed else [str(types), str(PACKAGE.parent)])
    return run(
        sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(types / "cache"), *arguments, MYPYPATH=path
    )


@needs_mypy
def test_stubs_of_the_native_module_are_true():
    code, out = run(sys.executable, "-m", "mypy.stubtest", "iceway._iceway", PYTHONPATH=str(PACKAGE.parent))
    assert code == 0, out


@needs_mypy
def test_the_package_is_strictly_typed(types):
    code, out = mypy("-p", "iceway", types=types)
    assert code == 0, out


@needs_mypy
def test_an_example_with_stubs_of_ros_types(types):
    code, out = mypy(str(EXAMPLE), types=types)
    assert code == 0, out


@needs_mypy
@pytest.mark.parametrize(
    ("right", "wrong", "error"),
    [
        ("msg.header.stamp.sec", "msg.header.stamp.secs", '"Time" has no attribute "secs"'),
        ("x: float = first", "x: str = first", "Incompatible types"),
        ("return msg.height", "return msg.encoding", "Incompatible return"),
        ('stats["sent"]', 'stats["send"]', "no key"),
        ("cloud is not None and ", "", "None"),
    ],
)
def test_mistakes_are_found(types, tmp_path, right, wrong, error):
    text = EXAMPLE.read_text()
    assert right in text
    file = tmp_path / "example.py"
    file.write_text(text.replace(right, wrong))
    code, out = mypy(str(file), types=types)
    assert code == 1
    assert error in out


@needs_mypy
def test_all_stubs_of_ros_types_are_valid(types):
    code, out = mypy("-p", "ros_types", types=types)
    assert code == 0, out


@needs_pyright
def test_an_example_with_pyright(types):
    settings = types / "pyrightconfig.json"
    shutil.copy(EXAMPLE, types / "detector.py")
    settings.write_text(
        f'{{"typeCheckingMode": "strict", "extraPaths": ["{types}", "{PACKAGE.parent}"], "include": ["*.py", "ros_types"], '
        f'"pythonVersion": "3.10", "reportMissingModuleSource": false}}'
    )
    code, out = run(sys.executable, "-m", "pyright", "-p", str(settings), "--pythonpath", sys.executable)
    assert code == 0, out


def test_what_the_stubs_say(types):
    zoo = (types / "ros_types" / "demo_msgs" / "msg.pyi").read_text()
    for line in (
        "    flag: _b.bool  # bool",
        "    f32s: _NDArray[_np.float32]  # float32[]",
        "    flags: _NDArray[_np.bool_]  # bool[]",
        "    texts: _Sequence[_b.str]  # string[]",
        "    points: _NDArray[_np.void]  # geometry_msgs/msg/Point[]",
        "    pairs: _Sequence[Pair]  # demo_msgs/msg/Pair[]",
        "    headers: _Sequence[_std_msgs.Header]  # std_msgs/msg/Header[]",
        "    LIMIT: _Literal[7]",
        "    NAME: _Literal['zoo']",
    ):
        assert line in zoo.splitlines()


def test_stubs_of_nothing(tmp_path, capsys):
    assert main(["stubs", "nobody_msgs", "-o", str(tmp_path), "--share", str(tmp_path), "--no-broker"]) == 1
    assert "--share" in capsys.readouterr().err
    assert main(["stubs", "-o", str(tmp_path), "--no-broker"]) == 1
    assert "nothing to write" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_keywords_as_fields(tmp_path):
    (tmp_path / "share" / "a" / "msg").mkdir(parents=True)
    (tmp_path / "share" / "a" / "msg" / "B.msg").write_text("int32 lambda\nint32 int\nfloat32 x")
    arguments = ["stubs", "a/B", "-o", str(tmp_path / "t"), "--share", str(tmp_path / "share"), "--no-broker"]
    assert main(arguments) == 0
    text = (tmp_path / "t" / "a" / "msg.pyi").read_text()
    assert "getattr(msg, 'lambda')" in text
    compile(text, "msg.pyi", "exec")


@pytest.mark.broker
def test_stubs_from_the_broker(world, tmp_path, capsys):
    from definitions import schema

    with iceway.connect() as bus:
        sub = bus.subscribe("/image", schema("sensor_msgs/Image"))
        assert main(["stubs", "-o", str(tmp_path / "one")]) == 0
        assert main(["stubs", "sensor_msgs", "-o", str(tmp_path / "two")]) == 0
        assert main(["stubs", "sensor_msgs/msg/Image", "-o", str(tmp_path / "three")]) == 0
        assert not sub.closed
    texts = {(tmp_path / name / "sensor_msgs" / "msg.pyi").read_text() for name in ("one", "two", "three")}
    assert len(texts) == 1
    assert "class Image:" in texts.pop()
    assert (tmp_path / "one" / "builtin_interfaces" / "msg.pyi").is_file()
