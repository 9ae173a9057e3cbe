"""The culprits: stalls added up by site, the most expensive first."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

HEADINGS = (
    "lost s", "waited", "total s", "times", "line", "call", "function", "route", "cause",
)  # fmt: skip
NUMBERS = 4  # this many columns, from the left, are numbers
FUNCTION = 6  # the first column that moves to a second line if the table is too wide
LONGEST_CALL = 30  # characters; the log has the whole call


class Site(Protocol):
    @property
    def function(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def code(self) -> str: ...
    @property
    def exact(self) -> bool: ...


class Stall(Protocol):
    @property
    def duration(self) -> float: ...
    @property
    def cause(self) -> str: ...
    @property
    def route(self) -> str | None: ...
    @property
    def method(self) -> str | None: ...
    @property
    def site(self) -> Site: ...
    @property
    def victims(self) -> int: ...
    @property
    def lost_request_seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Culprit:
    """The stalls of one function for one route."""

    stalls: tuple[Stall, ...]

    @property
    def lost(self) -> float:
        """Lost request-seconds: the waiting of all requests for these stalls, added up."""
        return sum(stall.lost_request_seconds for stall in self.stalls)

    @property
    def waited(self) -> int:
        """Requests that waited; one that waited for two of the stalls counts twice."""
        return sum(stall.victims for stall in self.stalls)

    @property
    def total(self) -> float:
        return sum(stall.duration for stall in self.stalls)

    @property
    def row(self) -> tuple[str, ...]:
        clearest = max(self.stalls, key=lambda stall: (stall.site.exact, stall.duration))
        site = clearest.site
        return (
            f"{self.lost:.2f}",
            str(self.waited),
            f"{self.total:.2f}",
            str(len(self.stalls)),
            f"{Path(site.file).name}:{site.line}" if site.file else "-",
            cut(site.code, LONGEST_CALL) or "-",
            ".".join(site.function.split(".")[-2:]),
            f"{clearest.method} {clearest.route}" if clearest.route else "-",
            Counter(stall.cause for stall in self.stalls).most_common(1)[0][0],
        )


def culprits(stalls: Iterable[Stall]) -> list[Culprit]:
    """Return the culprits of `stalls`, ranked by lost request-seconds, then by seconds held."""
    groups: dict[tuple[str | None, str], list[Stall]] = {}
    for stall in stalls:
        groups.setdefault((stall.route, stall.site.function), []).append(stall)
    found = [Culprit(tuple(group)) for group in groups.values()]
    return sorted(found, key=lambda culprit: (culprit.lost, culprit.total), reverse=True)


def table(found: Sequence[Culprit], width: int | None = None) -> list[str]:
    """Return the lines of the table: two for each culprit if it does not fit `width` columns."""
    rows = [HEADINGS, *(culprit.row for culprit in found)]
    lines = aligned(rows)
    if width is None or max(map(len, lines)) <= width:
        return lines
    above = aligned([(*row[:FUNCTION], row[-1]) for row in rows])
    indent = above[0].index(HEADINGS[NUMBERS])
    below = [f"{'':{indent}}{', '.join(row[FUNCTION:-1])}" for row in rows]
    return [cut(line, width) for pair in zip(above, below, strict=True) for line in pair]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cells(row, widths)).rstrip() for row in rows]


def cells(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if column < NUMBERS else cell.ljust(width)


def cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
