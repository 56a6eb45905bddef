#!/usr/bin/env python3
"""Compare iceway's reading and writing of messages with ROS's own serializer.

Run it with the Python of a ROS environment. For every message, service and action that the environment
holds (``AMENT_PREFIX_PATH``), and every message type that services and actions are made of:

- iceway's type hash equals the one that ROS ships, from the ``.msg``/``.srv``/``.action`` text and from
  the ``.idl`` text;
- the default message that iceway writes equals ROS's;
- random messages serialized by rclpy and read by iceway, and written by iceway (from values, and from the
  serialized form) and deserialized by rclpy, are equal by value.

    tests/oracle/run.py --binary target/debug/examples/oracle [--cases 20] [--seed N] [--only GLOB]
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rclpy.serialization import deserialize_message, serialize_message
from rosidl_parser import definition as rosidl

LIMITS = {
    "int8": (-(2**7), 2**7 - 1),
    "uint8": (0, 2**8 - 1),
    "octet": (0, 2**8 - 1),
    "char": (0, 2**8 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
HIDDEN = "structure_needs_at_least_one_member"
FLOATS = [0.0, -0.0, 1.0, -1.5, 1e-40, 3.0e38, float("inf"), float("-inf"), float("nan")]
TEXT = "abcXYZ 019_/\"'\\\n\tüßλЖ中ハ€😀"


class Oracle:
    """The Rust half, spoken to over pipes."""

    def __init__(self, binary: str) -> None:
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the oracle died (exit code {self.process.wait()}) on {str(request)[:2000]}")
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(f"{request['op']} {request['type']}: {answer['error']}")
        return answer


class Interfaces:
    """Every interface file below the environment's share folders."""

    def __init__(self, prefixes: list[Path]) -> None:
        self.files: dict[str, Path] = {}
        self.idl: dict[str, Path] = {}
        for prefix in prefixes:
            for path in sorted(prefix.glob("share/*/*/*")):
                name = f"{path.parts[-3]}/{path.parts[-2]}/{path.stem}"
                if path.parts[-2] not in ("msg", "srv", "action") or not path.with_suffix(".json").exists():
                    continue
                if path.suffix == ".idl":
                    self.idl.setdefault(name, path)
                elif path.suffix == f".{path.parts[-2]}":
                    self.files.setdefault(name, path)
        for name, path in self.idl.items():
            self.files.setdefault(name, path)

    def sources(self, interface: str, idl: bool) -> list[tuple[str, str]]:
        """The texts of an interface and of everything it needs, as its description lists it."""
        names = {interface}
        for name in self.description(interface):
            base = name if "/msg/" in name else name.split("_Request")[0]
            names |= {n for n in (name, base, "/".join(name.split("/")[:2]) + "/" + name.split("/")[2].split("_")[0]) if n in self.files}
        files = self.idl if idl else self.files
        return [(n, files.get(n, self.files[n]).read_text(encoding="utf-8")) for n in sorted(names)]

    def description(self, interface: str) -> dict[str, str]:
        """Hashes of an interface and of everything it refers to, by type name."""
        content = json.loads(self.files[interface].with_suffix(".json").read_text())
        return {entry["type_name"]: entry["hash_string"] for entry in content["type_hashes"]}

    def message_types(self, interface: str) -> Iterator[tuple[str, type]]:
        """The message classes that an interface consists of."""
        pkg, kind, name = interface.split("/")
        cls = getattr(importlib.import_module(f"{pkg}.{kind}"), name)
        if kind == "msg":
            yield interface, cls
        elif kind == "srv":
            yield from service_types(interface, cls)
        else:
            yield f"{interface}_Goal", cls.Goal
            yield f"{interface}_Result", cls.Result
            yield f"{interface}_Feedback", cls.Feedback
            yield f"{interface}_FeedbackMessage", cls.Impl.FeedbackMessage
            yield from service_types(f"{interface}_SendGoal", cls.Impl.SendGoalService)
            yield from service_types(f"{interface}_GetResult", cls.Impl.GetResultService)


def service_types(name: str, service: Any) -> Iterator[tuple[str, type]]:
    yield f"{name}_Request", service.Request
    yield f"{name}_Response", service.Response
    yield f"{name}_Event", service.Event


def class_of(type_: rosidl.NamespacedType) -> Any:
    module = importlib.import_module(".".join(type_.namespaces))
    found = getattr(module, type_.name, None)
    if found is None:  # a part of a service or action
        base, _, part = type_.name.rpartition("_")
        found = getattr(getattr(module, base), part)
    return found


def members(cls: Any) -> list[tuple[str, Any]]:
    names = list(cls.get_fields_and_field_types())
    return [(n, t) for n, t in zip(names, cls.SLOT_TYPES, strict=True) if n != HIDDEN]


def random_value(rng: random.Random, type_: Any) -> Any:
    if isinstance(type_, rosidl.Array):
        return [random_value(rng, type_.value_type) for _ in range(type_.size)]
    if isinstance(type_, rosidl.AbstractSequence):
        most = min(getattr(type_, "maximum_size", 1 << 30), rng.choice([0, 1, 2, 3, 5, 9]))
        return [random_value(rng, type_.value_type) for _ in range(rng.randint(0, most))]
    if isinstance(type_, rosidl.BasicType):
        if type_.typename == "boolean":
            return rng.random() < 0.5
        if type_.typename in ("float", "double"):
            value = rng.choice([rng.choice(FLOATS), rng.uniform(-1e6, 1e6)])
            return struct.unpack("f", struct.pack("f", value))[0] if type_.typename == "float" else value
        low, high = LIMITS[type_.typename]
        value = rng.choice([low, high, rng.randint(low, high), 0 if low <= 0 else low])
        return bytes([value]) if type_.typename == "octet" else value
    if isinstance(type_, rosidl.AbstractGenericString):
        bound = getattr(type_, "maximum_size", None) if type_.has_maximum_size() else None
        text = "".join(rng.choice(TEXT) for _ in range(rng.choice([0, 1, 2, 3, 7, 20])))
        wide = isinstance(type_, rosidl.AbstractWString)
        while bound is not None and len(text.encode("utf-16-le" if wide else "utf-8")) // (1 + wide) > bound:
            text = text[:-1]
        return text
    return random_message(rng, class_of(type_))


def random_message(rng: random.Random, cls: Any) -> Any:
    return cls(**{name: random_value(rng, type_) for name, type_ in members(cls)})


def to_json(value: Any, type_: Any) -> Any:
    if isinstance(type_, rosidl.AbstractNestedType):
        return [to_json(element, type_.value_type) for element in value]
    if isinstance(type_, rosidl.BasicType):
        if type_.typename in ("float", "double"):
            return str(struct.unpack("<Q", struct.pack("<d", float(value)))[0])
        if type_.typename == "octet":
            return value[0]
        return bool(value) if type_.typename == "boolean" else int(value)
    if isinstance(type_, rosidl.AbstractGenericString):
        return str(value)
    return message_to_json(value)


def message_to_json(message: Any) -> dict[str, Any]:
    return {name: to_json(getattr(message, name), type_) for name, type_ in members(type(message))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--cases", type=int, default=20, help="random messages per type")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--only", default="*", help="glob over interface names")
    args = parser.parse_args()

    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if p] or [Path(sys.prefix)]
    interfaces = Interfaces(prefixes)
    oracle = Oracle(args.binary)
    rng = random.Random(args.seed)
    print(f"seed {args.seed}; {len(interfaces.files)} interfaces in {', '.join(map(str, prefixes))}", flush=True)

    hashes, types, cases, only_idl = 0, 0, 0, 0
    failures: list[str] = []
    seen: set[str] = set()
    for interface in interfaces.files:
        if not fnmatch.fnmatch(interface, args.only):
            continue
        only_idl += interfaces.files[interface].suffix == ".idl"
        for idl in (False, True):
            if idl and interface not in interfaces.idl:
                continue
            sources = interfaces.sources(interface, idl)
            for name, expected in interfaces.description(interface).items():
                if not name.startswith(interface):
                    continue
                try:
                    answer = oracle.ask(op="schema", type=name, sources=sources)
                    assert answer["hash"] == expected, f"{name}: hash {answer['hash']}, ROS has {expected}"
                    hashes += 1
                except AssertionError as error:
                    failures.append(f"{'idl' if idl else 'text'}: {error}")
        sources = interfaces.sources(interface, False)
        for name, cls in interfaces.message_types(interface):
            if name in seen:
                continue
            seen.add(name)
            types += 1
            try:
                oracle.ask(op="schema", type=name, sources=sources)
                cases += check_type(oracle, rng, name, cls, args.cases)
            except AssertionError as error:
                failures.append(str(error))
    for failure in failures[:40]:
        print("FAILED", failure)
    print(f"{hashes} type hashes, {types} message types, {cases} cases, {only_idl} interfaces with .idl only; {len(failures)} failures")
    sys.exit(1 if failures or not types else 0)


def check_type(oracle: Oracle, rng: random.Random, name: str, cls: Any, cases: int) -> int:
    default = bytes.fromhex(oracle.ask(op="default", type=name)["cdr"])
    equal(name, "default", message_to_json(deserialize_message(default, cls)), message_to_json(cls()))
    for _ in range(cases):
        message = random_message(rng, cls)
        expected = message_to_json(message)
        cdr = bytes(serialize_message(message))
        equal(name, "read", oracle.ask(op="read", type=name, cdr=cdr.hex())["value"], expected)
        written = bytes.fromhex(oracle.ask(op="write", type=name, value=expected)["cdr"])
        equal(name, "write", message_to_json(deserialize_message(written, cls)), expected)
        copied = bytes.fromhex(oracle.ask(op="copy", type=name, cdr=cdr.hex())["cdr"])
        assert copied == written, f"{name}: copied and written bytes differ"
    return cases


def equal(name: str, what: str, found: Any, expected: Any) -> None:
    assert found == expected, f"{name}: {what}: {json.dumps(found)[:1000]}\n  is not {json.dumps(expected)[:1000]}"


if __name__ == "__main__":
    main()
