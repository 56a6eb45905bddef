"""The package as such: names, documentation, metadata."""

import importlib.metadata
import inspect
import subprocess
import sys

import pytest

import iceway


def test_everything_public_is_documented():
    for name in iceway.__all__:
        if name.startswith("__"):
            continue
        thing = getattr(iceway, name)
        assert inspect.getdoc(thing), name
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                if not member.startswith("_") and callable(value):
                    assert inspect.getdoc(value), f"{name}.{member}"


def test_names_are_complete():
    public = {name for name in vars(iceway) if not name.startswith("_")}
    assert public == {name for name in iceway.__all__ if not name.startswith("_")}
    assert len(set(iceway.__all__)) == len(iceway.__all__)


def test_version():
    assert iceway.__version__.count(".") == 2
    try:
        installed = importlib.metadata.version("iceway")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("run from the source tree")
    assert iceway.__version__ == installed


def test_importing_needs_numpy_only():
    code = (
        "import sys; import numpy; before = set(sys.modules); import iceway\n"
        "foreign = {n.split('.')[0] for n in set(sys.modules) - before} - set(sys.stdlib_module_names) - {'iceway'}\n"
        "print(sorted(foreign))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line():
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "iceway", *arguments], capture_output=True, text=True, check=False
        )

    assert run("--version").stdout.strip() == f"iceway {iceway.__version__}"
    assert "stubs" in run("--help").stdout
    assert run("stubs").returncode == 2
