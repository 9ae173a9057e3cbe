"""The loop's busy time in pprof's format, which Pyroscope, Parca and `go tool pprof` read.

The messages are those of pprof's `profile.proto`, declared here and built by `protobuf` when they
are first wanted: no generated code to keep in step with it. Values are moments seen, and
nanoseconds of busy loop; the label `route` says for which requests.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterable
from functools import cache
from typing import Any, Protocol

from loopwatch.core.breath import breathe
from loopwatch.core.record_types import Frame

MISSING = "a pprof profile needs protobuf: pip install 'loopwatch[pprof]'"
PACKAGE = "perftools.profiles"
MESSAGES = {  # name -> fields in the order of their numbers: (name, type, repeated)
    "ValueType": (("type", "int64", False), ("unit", "int64", False)),
    "Label": tuple((name, "int64", False) for name in ("key", "str", "num", "num_unit")),
    "Line": (("function_id", "uint64", False), ("line", "int64", False)),
    "Sample": (
        ("location_id", "uint64", True),
        ("value", "int64", True),
        ("label", "Label", True),
    ),
    "Mapping": (("id", "uint64", False),),
    "Location": (
        ("id", "uint64", False),
        ("mapping_id", "uint64", False),
        ("address", "uint64", False),
        ("line", "Line", True),
    ),
    "Function": (
        ("id", "uint64", False),
        ("name", "int64", False),
        ("system_name", "int64", False),
        ("filename", "int64", False),
    ),
    "Profile": (
        ("sample_type", "ValueType", True),
        ("sample", "Sample", True),
        ("mapping", "Mapping", True),
        ("location", "Location", True),
        ("function", "Function", True),
        ("string_table", "string", True),
        ("drop_frames", "int64", False),
        ("keep_frames", "int64", False),
        ("time_nanos", "int64", False),
        ("duration_nanos", "int64", False),
        ("period_type", "ValueType", False),
        ("period", "int64", False),
        ("comment", "int64", True),
        ("default_sample_type", "int64", False),
    ),
}


class Weighted(Protocol):
    """A stack, outermost frame first, and what it stands for."""

    @property
    def route(self) -> str: ...
    @property
    def frames(self) -> tuple[Frame, ...]: ...
    @property
    def seconds(self) -> float: ...
    @property
    def samples(self) -> int: ...


def pprof(stacks: Iterable[Weighted]) -> bytes:
    """Return a profile, gzipped as pprof wants it. Raises ImportError without the extra `pprof`."""
    profile = ProfileWriter(message_class("Profile")())
    for stack in stacks:
        profile.add(stack)
        breathe()
    return profile.written()


class ProfileWriter:
    """Fills one message: strings, functions and locations are in it once, by number."""

    def __init__(self, message: Any) -> None:
        self._message = message
        self._texts = {"": 0}
        self._functions: dict[tuple[str, str], int] = {}
        self._locations: dict[Frame, int] = {}
        message.string_table.append("")
        message.time_nanos = time.time_ns()
        for kind, unit in (("samples", "count"), ("loop", "nanoseconds")):
            message.sample_type.add(type=self._text(kind), unit=self._text(unit))
        message.default_sample_type = self._text("loop")

    def add(self, stack: Weighted) -> None:
        sample = self._message.sample.add(value=[stack.samples, round(stack.seconds * 1e9)])
        sample.location_id.extend(self._location(frame) for frame in reversed(stack.frames))
        sample.label.add(key=self._text("route"), str=self._text(stack.route))

    def written(self) -> bytes:
        return gzip.compress(self._message.SerializeToString(), 6)

    def _text(self, text: str) -> int:
        if text not in self._texts:
            self._texts[text] = len(self._texts)
            self._message.string_table.append(text)
        return self._texts[text]

    def _location(self, frame: Frame) -> int:
        if frame not in self._locations:
            self._locations[frame] = number = len(self._locations) + 1
            location = self._message.location.add(id=number)
            location.line.add(function_id=self._function(frame), line=frame.line)
        return self._locations[frame]

    def _function(self, frame: Frame) -> int:
        key = frame.function, frame.file
        if key not in self._functions:
            self._functions[key] = number = len(self._functions) + 1
            name, file = self._text(frame.function), self._text(frame.file)
            self._message.function.add(id=number, name=name, system_name=name, filename=file)
        return self._functions[key]


@cache
def message_class(name: str) -> Any:
    """Return the class of a message; raises ImportError if protobuf is missing."""
    try:
        from google.protobuf import (  # type: ignore[import-untyped, unused-ignore]
            descriptor_pb2,
            descriptor_pool,
            message_factory,
        )
    except ImportError as error:
        raise ImportError(MISSING) from error
    file = descriptor_pb2.FileDescriptorProto(
        name="loopwatch/profile.proto", package=PACKAGE, syntax="proto3"
    )
    for message, fields in MESSAGES.items():
        declared = file.message_type.add(name=message)
        for number, field in enumerate(fields, 1):
            declare(declared.field, number, *field)
    pool = descriptor_pool.DescriptorPool()  # our own: the app may have pprof's messages as well
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


def declare(fields: Any, number: int, name: str, kind: str, repeated: bool) -> None:
    field = fields.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if kind in MESSAGES:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")
