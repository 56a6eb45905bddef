"""Writing ``.pyi`` classes of ROS message types, so that editors and type checkers know their fields."""

from __future__ import annotations

import keyword
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _iceway
from ._errors import Error, UnknownType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._bus import Bus

_HEADER = '''"""Message types of the ROS package {package}, for type checkers. Written by ``python -m iceway stubs``."""

'''
_INDEX = '''"""ROS message types for type checkers and editors. Written by ``python -m iceway stubs``.

    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        from {folder}.sensor_msgs.msg import Image

    camera: "iceway.Subscription[Image]" = bus.subscribe("/camera/image_raw")
"""
'''


# Under names that no field has.
_IMPORTS = (
    ("_b", "import builtins as _b"),
    ("_Literal", "from typing import Literal as _Literal"),
    ("_np", "import numpy as _np"),
    ("_Sequence", "from iceway import Sequence as _Sequence"),
    ("_NDArray", "from numpy.typing import NDArray as _NDArray"),
)


class Definitions:
    """Where definitions of types come from: folders of installed packages, then a broker."""

    def __init__(self, share: Iterable[Path], bus: Bus | None) -> None:
        self._share = list(share)
        self._bus = bus

    def expand(self, name: str) -> list[str]:
        """Return the full names of all types that a package has, or of the one that is named."""
        if "/" in name:
            package, _, short = name.partition("/")
            return [f"{package}/msg/{short.removeprefix('msg/')}"]
        found = {f"{name}/msg/{file.stem}" for folder in self._share for file in folder.glob(f"{name}/msg/*.msg")}
        if not found and self._bus is not None:
            types = {type_name for topic in self._bus.topics() for type_name in topic.types}
            found = {type_name for type_name in types if type_name.startswith(f"{name}/msg/")}
        if not found:
            looked = [str(folder / name) for folder in self._share]
            looked += ["the topics of the broker"] if self._bus is not None else []
            raise UnknownType(
                f"no message types of a package {name} were found in {', '.join(looked) or 'any folder'}: name the "
                f"folder that holds packages (--share /opt/ros/jazzy/share), or types as pkg/msg/Name, for the broker"
            )
        return sorted(found)

    def schema(self, name: str) -> _iceway.Schema:
        """Return the schema of a type."""
        texts: dict[str, str] = {}
        if self._collect(name, texts):
            separator = "=" * 80 + "\n"
            root, *others = texts
            definition = texts[root] + "".join(f"{separator}MSG: {other}\n{texts[other]}" for other in others)
            return _iceway.Schema(name, definition)
        if self._bus is not None:
            return self._bus.schema(name)
        raise UnknownType(f"{name} was not found in any folder, and no broker answers: name the folder with --share")

    def _collect(self, name: str, texts: dict[str, str]) -> bool:
        package, _, short = name.split("/")
        for folder in self._share:
            file = folder / package / "msg" / f"{short}.msg"
            if file.is_file():
                texts[name] = text = file.read_text(encoding="utf-8")
                if not text.endswith("\n"):
                    texts[name] = text + "\n"
                return all(other in texts or self._collect(other, texts) for other in _needed(text, package))
        return False


def _needed(text: str, package: str) -> Iterator[str]:
    """Yield the message types that a definition names."""
    for line in text.splitlines():
        match = re.match(r"\s*([A-Za-z]\w*/)?([A-Z]\w*)(\[[^\]]*\])?\s+[a-z]", line)
        if match is not None:
            yield f"{(match[1] or package + '/').rstrip('/')}/msg/{match[2]}"


def installed() -> list[Path]:
    """Return the ``share`` folders of the sourced ROS, if there is one."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return [Path(prefix) / "share" for prefix in prefixes if prefix]


def write(names: Iterable[str], folder: Path, definitions: Definitions) -> list[Path]:
    """Write stubs of types and packages, and of all types that they need; return the files."""
    types: dict[str, dict[str, Any]] = {}
    for name in names:
        for full in definitions.expand(name):
            if full not in types:
                types.update(definitions.schema(full)._describe())
    packages: dict[str, list[str]] = {}
    for full in sorted(types):
        packages.setdefault(full.partition("/")[0], []).append(full)
    written = []
    for package, members in packages.items():
        home = folder / package
        home.mkdir(parents=True, exist_ok=True)
        for file, text in (
            (home / "__init__.pyi", _HEADER.format(package=package).rstrip() + "\n\nfrom . import msg as msg\n"),
            (home / "msg.pyi", _module(package, {name: types[name] for name in members})),
        ):
            file.write_text(text, encoding="utf-8")
            written.append(file)
    index = folder / "__init__.pyi"
    index.write_text(_INDEX.format(folder=folder.name), encoding="utf-8")
    return [index, *written]


def _module(package: str, types: dict[str, dict[str, Any]]) -> str:
    others = sorted(
        {
            element.partition("/")[0]
            for entry in types.values()
            for _, kind, element, _, _ in entry["fields"]
            if kind == "message"
        }
        - {package}
    )
    lines: list[str] = []
    for name, entry in types.items():
        lines += ["", "", f"class {name.rpartition('/')[2]}:", f'    """{name}"""', ""]
        body = [_constant(*item) for item in entry["constants"].items()]
        body += [_field(package, *field) for field in entry["fields"]]
        lines += body or ["    ..."]
    code = "\n".join(lines)
    imports = [line for name, line in _IMPORTS if re.search(rf"\b{name}\b", code)]
    imports += [f"from ..{other} import msg as _{other}" for other in others]
    return _HEADER.format(package=package) + "\n".join([*imports, code]) + "\n"


def _constant(name: str, value: Any) -> str:
    if isinstance(value, bool | int | str):
        return f"    {name}: _Literal[{value!r}]"
    return f"    {name}: {_plain(type(value).__name__)}"


def _field(package: str, name: str, kind: str, element: str, array: bool, ros: str) -> str:
    if kind == "number":
        scalar = np.dtype(element).type
        annotation = f"_NDArray[_np.{scalar.__name__}]" if array else _plain(type(scalar().item()).__name__)
        annotation = annotation.replace("_np.bool]", "_np.bool_]")
    elif kind == "string":
        annotation = "_Sequence[_b.str]" if array else _plain("str")
    elif kind == "struct":
        annotation = "_NDArray[_np.void]"
    else:
        home, _, short = element.split("/")
        one = short if home == package else f"_{home}.{short}"
        annotation = f"_Sequence[{one}]" if array else one
    if keyword.iskeyword(name):
        return f"    # {name}: {annotation} ({ros}); a keyword of Python: getattr(msg, {name!r})"
    return f"    {name}: {annotation}  # {ros}"


def _plain(name: str) -> str:
    return f"_b.{name}"


def main(arguments: Any) -> int:
    """Run ``python -m iceway stubs``."""
    from ._bus import connect

    share = [Path(folder) for folder in arguments.share] or installed()
    bus = None
    try:
        try:
            if not arguments.no_broker:
                bus = connect(arguments.domain, timeout=arguments.timeout, name="iceway stubs")
        except Error as error:
            if not share:
                raise
            print(f"no broker is asked: {error}")
        names = arguments.names
        if not names and bus is not None:
            names = sorted({type_name for topic in bus.topics() for type_name in topic.types})
        if not names:
            raise UnknownType("nothing to write: name packages or types, e.g. sensor_msgs geometry_msgs/msg/Twist")
        for file in write(names, Path(arguments.output), Definitions(share, bus)):
            print(file)
    finally:
        if bus is not None:
            bus.close()
    return 0
