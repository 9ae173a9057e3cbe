"""What a live page tells of waits, loop time and requests in flight, checked as it is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from loopwatch.tools.cli.fields import amount, count, rows, text

PARTS = ("queued", "running", "stalled", "waiting")

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the app's own code, as far as it is known."""

    function: str
    place: str  # file:line, without its folders; empty: not known
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Where requests of one route waited since the watch began."""

    route: str
    line: Line
    resource: str
    peer: str
    seconds: float  # request-seconds
    share: float  # of all that the route's requests waited
    waiting: int  # requests, at the latest look
    most: int
    holders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTime:
    """How much of the loop's busy time one line took since the watch began."""

    route: str
    line: Line
    call: str
    seconds: float
    share: float  # of all busy time


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """A request that has not ended."""

    route: str
    method: str
    age: float  # s
    parts: tuple[float, ...]  # s, as PARTS
    line: Line | None  # where it waits; None: it runs, or it is not known
    resource: str


def waits(data: Data) -> tuple[Wait, ...]:
    """Return the waits of `snapshot.json`, most seconds first; none of a version before them."""
    told = rows(data.get("waits", []))
    ended: defaultdict[str, float] = defaultdict(float)
    seen: defaultdict[str, float] = defaultdict(float)
    for request in rows(data["requests"]):
        ended[text(request["route"])] += amount(request["waiting"])
    for row in told:
        seen[text(row["route"])] += amount(row["seconds"])
    found = (wait(row, max(ended[row["route"]], seen[text(row["route"])])) for row in told)
    return tuple(sorted(found, key=lambda one: -one.seconds))


def wait(row: Data, whole: float) -> Wait:
    seconds = amount(row["seconds"])
    return Wait(
        route=text(row["route"]),
        line=line(row["place"]),
        resource=text(row["resource"]),
        peer=text(row["peer"]),
        seconds=seconds,
        share=seconds / whole if whole else 0.0,
        waiting=count(row["waiting"]),
        most=count(row["most_waiting"]),
        holders=len(rows(row["holders"])),
    )


def loop_time(data: Data) -> tuple[LoopTime, ...]:
    """Return the lines of `snapshot.json`, most seconds first; none of a version before them."""
    told = rows(data.get("loop_time", []))
    whole = max(amount(data["busy"]), sum(amount(row["seconds"]) for row in told))
    found = (
        LoopTime(
            route=text(row["route"]),
            line=line(row["site"]),
            call=text(row["call"]),
            seconds=amount(row["seconds"]),
            share=row["seconds"] / whole if whole else 0.0,
        )
        for row in told
    )
    return tuple(sorted(found, key=lambda one: -one.seconds))


def in_flight(data: Data) -> tuple[InFlight, ...]:
    """Return the requests of `requests.json`, oldest first."""
    found = (
        InFlight(
            route=text(row["route"]),
            method=text(row["method"]),
            age=amount(row["age"]),
            parts=tuple(amount(row[part]) for part in PARTS),
            line=None if row["place"] is None else line(row["place"]),
            resource=text(row["resource"]),
        )
        for row in rows(data["requests"])
    )
    return tuple(sorted(found, key=lambda one: -one.age))


def line(site: Data) -> Line:
    number, file = count(site["line"]), text(site["file"])
    name = PurePath(file.replace("\\", "/")).name
    return Line(
        function=text(site["function"]),
        place=f"{name}:{number}" if number else "",
        code=text(site["code"]),
    )
