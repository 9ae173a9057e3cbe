"""Who held the loop: stalls added up by site, the dearest first."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

HEADINGS = ("total s", "times", "line", "call", "function", "route", "cause")
NUMBERS = 2  # so many columns, from the left, are numbers
LONGEST_CALL = 40  # characters; the log has the whole of it


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


@dataclass(frozen=True, slots=True)
class Culprit:
    """The stalls of one function for one route."""

    stalls: tuple[Stall, ...]

    @property
    def total(self) -> float:
        return sum(stall.duration for stall in self.stalls)

    @property
    def row(self) -> tuple[str, ...]:
        clearest = max(self.stalls, key=lambda stall: (stall.site.exact, stall.duration))
        site = clearest.site
        return (
            f"{self.total:.2f}",
            str(len(self.stalls)),
            f"{Path(site.file).name}:{site.line}" if site.file else "-",
            cut(site.code, LONGEST_CALL) or "-",
            ".".join(site.function.split(".")[-2:]),
            f"{clearest.method} {clearest.route}" if clearest.route else "-",
            Counter(stall.cause for stall in self.stalls).most_common(1)[0][0],
        )


def culprits(stalls: Iterable[Stall]) -> list[Culprit]:
    """Return the culprits of `stalls`, ranked by total seconds."""
    groups: dict[tuple[str | None, str], list[Stall]] = {}
    for stall in stalls:
        groups.setdefault((stall.route, stall.site.function), []).append(stall)
    found = [Culprit(tuple(group)) for group in groups.values()]
    return sorted(found, key=lambda culprit: culprit.total, reverse=True)


def table(found: Sequence[Culprit], width: int | None = None) -> list[str]:
    """Return the lines of the table, cut to `width` columns if that is given."""
    rows = [HEADINGS, *(culprit.row for culprit in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(aligned, row, widths, range(len(row)))).rstrip() for row in rows]
    return [line if width is None else cut(line, width) for line in lines]


def cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


def aligned(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column < NUMBERS else cell.ljust(width)
