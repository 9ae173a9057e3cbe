"""The pprof profile, decoded by a reader of the wire format that knows nothing of protobuf."""

import gzip
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from loopwatch.core.record_types import Frame, Site
from loopwatch.exporters.pprof import message_class, pprof
from loopwatch.ledger.loop_time_table import LoopTimeTable

pytest.importorskip("google.protobuf")


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each field: a whole number, or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        assert key & 7 in (0, 2)
        value, at = varint(data, at)
        if key & 7 == 2:
            at += value
            yield key >> 3, data[at - value : at]
        else:
            yield key >> 3, value


def grouped(data: bytes) -> defaultdict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for number, value in fields(data):
        found[number].append(value)
    return found


def packed(values: list[Any]) -> list[int]:
    """Return repeated whole numbers, packed or not."""
    found = []
    for value in values:
        at = 0
        while isinstance(value, bytes) and at < len(value):
            number, at = varint(value, at)
            found.append(number)
        found += [] if isinstance(value, bytes) else [value]
    return found


class Profile:
    """A profile as pprof's own description of the format reads it."""

    def __init__(self, data: bytes) -> None:
        whole = grouped(gzip.decompress(data))
        texts = [text.decode() for text in whole[6]]
        assert texts[0] == ""
        self.types = [(texts[kind[1][0]], texts[kind[2][0]]) for kind in map(grouped, whole[1])]
        functions = {
            f[1][0]: (texts[f[2][0]], texts[f[4][0]] if f[4] else "")
            for f in map(grouped, whole[5])
        }
        places = {}
        for location in map(grouped, whole[4]):
            line = grouped(location[4][0])
            name, file = functions[line[1][0]]
            places[location[1][0]] = Frame(name, file, line[2][0] if line[2] else 0)
        self.samples = []
        for sample in map(grouped, whole[2]):
            (label,) = map(grouped, sample[3])
            assert texts[label[1][0]] == "route"
            frames = tuple(places[number] for number in packed(sample[1]))[::-1]
            self.samples.append((texts[label[2][0]], frames, packed(sample[2])))


def table() -> LoopTimeTable:
    found = LoopTimeTable()
    inner, outer = Frame("json.loads", "json/__init__.py", 346), Frame("app.f", "app.py", 41)
    found.add("/import", Site("app.f", "app.py", 41), "json.loads", (outer, inner), 0.25, 5)
    found.add("/ü", Site("app.f", "app.py", 42), "", (Frame("app.f", "app.py", 42),), 1e-9, 1)
    found.add(None, Site("uvloop.Loop", exact=False), "", (), 0.5, 10)
    return found


def test_every_stack_is_told_with_its_route() -> None:
    profile = Profile(pprof(table().stacks()))
    assert profile.types == [("samples", "count"), ("loop", "nanoseconds")]
    inner, outer = Frame("json.loads", "json/__init__.py", 346), Frame("app.f", "app.py", 41)
    assert profile.samples == [
        ("/import", (outer, inner), [5, 250_000_000]),
        ("/ü", (Frame("app.f", "app.py", 42),), [1, 1]),
        ("_NONE", (Frame("uvloop.Loop", "", 0),), [10, 500_000_000]),
    ]


def test_totals_are_those_of_the_readings() -> None:
    made = table()
    samples = Profile(pprof(made.stacks())).samples
    assert sum(values[0] for _, _, values in samples) == sum(r.samples for r in made.readings())
    seconds = sum(values[1] for _, _, values in samples) / 1e9
    assert seconds == pytest.approx(sum(r.seconds for r in made.readings()))


def test_without_stacks_it_is_a_profile_all_the_same() -> None:
    assert Profile(pprof(())).samples == []


def test_without_protobuf_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    message_class.cache_clear()
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    with pytest.raises(ImportError, match=r"pip install 'loopwatch\[pprof\]'"):
        pprof(())
