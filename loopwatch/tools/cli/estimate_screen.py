"""Draws what requests wait for, the lines of loop time, and what is in flight, in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from loopwatch.core.record_types import NONE
from loopwatch.core.safe_text import safe
from loopwatch.tools.cli.estimate_readings import InFlight, Line, LoopTime, Wait
from loopwatch.tools.cli.readings import Reading
from loopwatch.tools.cli.screen_parts import (
    DASH,
    View,
    bar,
    legend,
    line,
    named,
    seconds,
    table,
    tail,
    title,
)
from loopwatch.tools.cli.terminal import RenderableType, Table, Text

BEYOND = 2  # lines that three titles and heads of tables need beyond `screen.FRAME`, which has two
SHARES = (0.4, 0.3)  # of the lines there are: for waits, and for loop time; the rest is in flight

Draw = Callable[[Sequence[Any], View], Table]


def estimates(reading: Reading, view: View, lines: int | None) -> Iterator[RenderableType]:
    """Yield three tables that together fill the lines there are."""
    told: tuple[tuple[str, Sequence[Any], Draw, Text | None], ...] = (
        ("What requests wait for", reading.waits, wait_table, None),
        ("Lines of loop time", reading.loop_time, loop_time_table, None),
        ("In flight now, oldest first", reading.in_flight or (), in_flight_table, legend(view)),
    )
    rooms = shared([len(rows) for _, rows, _, _ in told], lines)
    for (text, rows, draw, more), room in zip(told, rooms, strict=True):
        yield title(text, len(rows) - room, view, more)
        if not rows:
            unknown = draw is in_flight_table and reading.in_flight is None
            yield line("  not known" if unknown else "  none", "dim")
        elif room:
            yield draw(rows[:room], view)


def shared(counts: Sequence[int], lines: int | None) -> list[int]:
    """Return how many rows of each table are shown; what one does not need, the others get."""
    if lines is None:
        return [*counts]
    left = max(0, lines - BEYOND)
    rooms = [min(count, int(left * share)) for count, share in zip(counts, SHARES, strict=False)]
    rooms.append(min(counts[-1], left - sum(rooms)))
    for place, count in enumerate(counts):
        rooms[place] += min(count - rooms[place], left - sum(rooms))
    return rooms


def wait_table(waits: Sequence[Wait], view: View) -> Table:
    figures = (("now", "r"), ("most", "r"), ("share", "r"), ("waited", "r"), ("held by", "r"))
    made = table(*figures, ("for", "l"), ("line, call, or function", "+"), ("route", "+"))
    for one in waits:
        made.add_row(
            str(one.waiting),
            str(one.most),
            f"{one.share:.0%}",
            seconds(one.seconds),
            str(one.holders) if one.holders else DASH,
            safe(one.resource),
            where(one.line, one.peer),
            Text(named(one.route)),
            style="bold" if one.waiting else "",
        )
    return made


def loop_time_table(lines: Sequence[LoopTime], view: View) -> Table:
    made = table(("share", "r"), ("busy", "r"), ("line, call, or function", "+"), ("route", "+"))
    for one in lines:
        made.add_row(
            f"{one.share:.0%}",
            seconds(one.seconds),
            where(one.line, one.call),
            Text("outside any request" if one.route == NONE else named(one.route)),
        )
    return made


def in_flight_table(requests: Sequence[InFlight], view: View) -> Table:
    made = table(
        *(("age", "r"), ("so far", "l"), ("for", "l")),
        *(("where it waits", "+"), ("request", "+")),
    )
    width = max(8, min(24, view.width // 8))
    for one in requests:
        made.add_row(
            seconds(one.age),
            bar(one.parts, width, view),
            safe(one.resource) or DASH,
            where(one.line, "") if one.line is not None else Text(DASH),
            Text(f"{named(one.method)} ", "dim").append(named(one.route), "not dim"),
        )
    return made


def where(at: Line, more: str) -> Text:
    """Return a line with its call; without a line, its function."""
    what = safe(at.code) or tail(named(at.function))
    whole = Text(f"{safe(at.place)} ", "cyan") if at.place else Text()
    whole.append(what, "default")
    return whole.append(f" {safe(more)}", "dim") if more else whole
