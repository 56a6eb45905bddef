"""``python -m iceway``: tools for people who write programs with iceway."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from . import Error, __version__, _stubs

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m iceway", description="Tools for programs that use iceway.")
    parser.add_argument("--version", action="version", version=f"iceway {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    stubs = commands.add_parser(
        "stubs",
        help="write .pyi classes of ROS message types",
        description="Writes .pyi classes of ROS message types and of all that they need, so that editors complete "
        "msg.header.stamp and type checkers find wrong fields. Definitions come from --share, else from the sourced "
        "ROS, else from the broker.",
    )
    stubs.add_argument("names", nargs="*", metavar="PKG|TYPE", help="packages and types; default: all topics' types")
    stubs.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder to write, e.g. ros_types")
    stubs.add_argument("--share", action="append", default=[], metavar="DIR", help="a folder with packages")
    stubs.add_argument("--domain", type=int, metavar="N", help="the broker's domain")
    stubs.add_argument(
        "--timeout", type=float, default=2.0, metavar="SECONDS", help="how long to wait for the broker"
    )
    stubs.add_argument("--no-broker", action="store_true", help="do not ask a broker")
    stubs.set_defaults(run=_stubs.main)
    parsed = parser.parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except (Error, OSError) as error:
        print(f"iceway: {error}", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
