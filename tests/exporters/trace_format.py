"""A strict reader of Chrome's trace event format, as Perfetto reads it.

Everything that the format leaves open is refused here: unknown kinds of events, slices of one track
that overlap without one being within the other, tracks without a name, and arrows without a slice
at both ends.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

FIELDS = {
    "M": {"ph", "name", "pid", "tid", "args"},
    "X": {"ph", "cat", "name", "pid", "tid", "ts", "dur"},
    "s": {"ph", "cat", "name", "id", "pid", "tid", "ts"},
    "f": {"ph", "cat", "name", "id", "pid", "tid", "ts", "bp"},
}
Track = tuple[int, int]


@dataclass
class Slice:
    name: str
    kind: str
    began: int  # ns
    ended: int
    args: dict[str, Any]
    depth: int = 0


@dataclass
class Trace:
    about: dict[str, Any]
    tracks: dict[Track, str] = field(default_factory=dict)
    processes: dict[int, str] = field(default_factory=dict)
    slices: dict[Track, list[Slice]] = field(default_factory=lambda: defaultdict(list))
    arrows: list[tuple[Slice, Slice]] = field(default_factory=list)

    def track(self, words: str) -> list[Slice]:
        """Return the slices of the one track with these words in its name."""
        [found] = [track for track, name in self.tracks.items() if words in name]
        return self.slices[found]


def ns(microseconds: Any) -> int:
    assert isinstance(microseconds, int | float)
    assert not isinstance(microseconds, bool)
    whole = round(microseconds * 1000)
    assert abs(whole - microseconds * 1000) < 0.01, "no whole ns"
    return whole


def read(text: bytes) -> Trace:
    text.decode("ascii")
    found = json.loads(text, parse_constant=lambda name: AssertionError(name))
    assert found.keys() == {"displayTimeUnit", "traceEvents", "otherData"}
    assert found["displayTimeUnit"] in ("ms", "ns")
    trace, flows = Trace(found["otherData"]), defaultdict[int, dict[str, Any]](dict)
    for event in found["traceEvents"]:
        assert FIELDS[event["ph"]] <= event.keys() <= FIELDS[event["ph"]] | {"args"}, event
        assert type(event["pid"]) is type(event["tid"]) is int
        assert isinstance(event["name"], str)
        assert event["name"]
        if event["ph"] == "M":
            take_name(trace, event)
        elif event["ph"] == "X":
            take_slice(trace, event)
        else:
            assert event["ph"] not in flows[event["id"]], "an arrow has one beginning and one end"
            flows[event["id"]][event["ph"]] = event
    for track, slices in trace.slices.items():
        assert track in trace.tracks, f"a track without a name: {track}"
        assert track[0] in trace.processes
        nest(slices)
    trace.arrows = [*arrows(trace, flows)]
    return trace


def take_name(trace: Trace, event: dict[str, Any]) -> None:
    assert event["args"].keys() == {"name"}
    name = event["args"]["name"]
    if event["name"] == "process_name":
        assert event["pid"] not in trace.processes
        trace.processes[event["pid"]] = name
    else:
        assert event["name"] == "thread_name"
        track = event["pid"], event["tid"]
        assert track not in trace.tracks, f"two names of a track: {event}"
        trace.tracks[track] = name


def take_slice(trace: Trace, event: dict[str, Any]) -> None:
    began, took = ns(event["ts"]), ns(event["dur"])
    assert took >= 0
    one = Slice(event["name"], event["cat"], began, began + took, event.get("args", {}))
    trace.slices[event["pid"], event["tid"]].append(one)


def nest(slices: list[Slice]) -> None:
    """Give each slice its depth; refuse those that overlap in part."""
    slices.sort(key=lambda one: (one.began, -one.ended))
    within: list[Slice] = []
    for one in slices:
        while within and within[-1].ended <= one.began:
            within.pop()
        assert not within or one.ended <= within[-1].ended, f"{one} overlaps {within[-1]}"
        one.depth = len(within)
        within.append(one)


def arrows(trace: Trace, flows: dict[int, dict[str, Any]]) -> Iterator[tuple[Slice, Slice]]:
    for number, ends in flows.items():
        assert ends.keys() == {"s", "f"}, f"half an arrow: {number}"
        assert ns(ends["s"]["ts"]) <= ns(ends["f"]["ts"]), "an arrow leads forwards"
        assert ends["f"]["bp"] == "e"
        yield enclosing(trace, ends["s"]), enclosing(trace, ends["f"])


def enclosing(trace: Trace, event: dict[str, Any]) -> Slice:
    """Return the innermost slice at the end of an arrow."""
    at = ns(event["ts"])
    around = [s for s in trace.slices[event["pid"], event["tid"]] if s.began <= at <= s.ended]
    assert around, f"an arrow's end without a slice: {event}"
    return max(around, key=lambda one: (one.depth, one.began))
