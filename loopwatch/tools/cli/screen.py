"""Draws a reading of a live page in a terminal of any size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import PurePath
from typing import Any

from loopwatch.core.record_types import NONE
from loopwatch.core.safe_text import safe
from loopwatch.tools.cli.estimate_screen import estimates
from loopwatch.tools.cli.readings import Culprit, Reading, Route
from loopwatch.tools.cli.screen_parts import (
    DASH,
    View,
    bar,
    legend,
    line,
    named,
    optional,
    quantile,
    rate,
    seconds,
    table,
    tail,
    title,
)
from loopwatch.tools.cli.terminal import Group, RenderableType, Table, Text

WIDE = 130  # columns; from here on route, site, line and call have columns of their own
FRAME = 8  # lines that are neither a culprit nor a route
FEWEST = 3  # culprits shown, however low the terminal


def drawn(reading: Reading, view: View) -> RenderableType:
    """Return the whole screen, at most `view.height` lines."""
    notes = warnings(reading, view)
    lines = None if view.height is None else max(0, view.height - FRAME - len(notes))
    body = estimates if view.show == "waits" and not view.remark else stalls
    return Group(*head(reading, view), *notes, *body(reading, view, lines), foot(view))


def stalls(reading: Reading, view: View, lines: int | None) -> Iterator[RenderableType]:
    """Yield the culprits and the routes, in so many lines beside their heads."""
    culprits = sorted(reading.culprits, key=attrgetter(view.sort, "held"), reverse=True)
    routes = sorted(reading.routes, key=attrgetter("rate", "whole"), reverse=True)
    shown, room = len(culprits), len(routes)
    if lines is not None:
        shown = min(shown, max(FEWEST, lines - min(room, lines // 2)))
        room = max(0, lines - max(shown, 1))
    yield title(f"Culprits since the watch began, by {view.sort}", len(culprits) - shown, view)
    yield culprit_table(culprits[:shown], view) if culprits else line("  none yet", "dim")
    if view.remark:
        yield line(view.remark, "dim")
        return
    span = "since the watch began" if reading.alone else f"in the last {seconds(reading.seconds)}"
    yield title(f"Routes {span}", len(routes) - min(room, len(routes)), view, legend(view))
    yield route_table(routes[:room], view)


def head(reading: Reading, view: View) -> list[Text]:
    busy = "busy " + (DASH if reading.utilization is None else f"{reading.utilization:.0%}")
    lag = "lag not known"
    if reading.lag.count or not view.remark:
        p50, p99 = (quantile(reading.lag.quantile(q)) for q in (0.5, 0.99))
        lag = f"lag p50 {p50} p99 {p99}"
    minute = DASH if view.per_minute is None else f"{view.per_minute:.0f}"
    loops = ", ".join(safe(name) for name in reading.loops) or "no"
    facts = f"{loops} loop  watched {seconds(reading.uptime)}  own cost {reading.cost:.1%}"
    first = line("loopwatch ", "bold")
    first.append(safe(reading.version), "dim").append(f"  {safe(view.url)}", "cyan")
    return [
        first,
        line(facts),
        line(f"{busy}  {lag}  stalls/min {minute}  stalls {reading.stalls}", "bold"),
    ]


def warnings(reading: Reading, view: View) -> list[Text]:
    found = []
    if view.trouble:
        found.append(line(safe(view.trouble), "bold red"))
    found += [line(safe(holding(stall)), "bold red") for stall in reading.holding]
    if reading.dropped:
        lost = ", ".join(f"{safe(name)} {count}" for name, count in reading.dropped.items())
        found.append(line(f"dropped: {lost}", "yellow"))
    return found


def holding(stall: Mapping[str, Any]) -> str:
    """Return what holds a loop right now as one sentence."""
    site = stall["site"]
    who = f"{stall['method']} {stall['route']}" if stall["route"] else stall["coroutine"]
    if stall["method"] and not stall["route"]:
        who = f"{who or 'something'}, in a {stall['method']} request without a route,"
    where = "" if site["function"] == NONE else f" at {site['file']}:{site['line']} {site['code']}"
    why = f"; it {stall['blocker']}" if stall["blocker"] else ""
    return (
        f"{who or 'something'} has been holding the loop for {stall['duration']:.1f} s{where}{why}"
    )


def culprit_table(culprits: Sequence[Culprit], view: View) -> Table:
    figures = (("lost", "r"), ("held", "r"), ("stalls", "r"), ("victims", "r"), ("cause", "l"))
    wide = view.width >= WIDE
    places: tuple[tuple[str, str], ...] = (("line, call, or function", "+"),)
    if wide:
        places = (("site", "+"), ("route", "+"), ("line", "l"), ("call", "+"))
    made = table(*figures, *places)
    for culprit in culprits:
        where = apart(culprit) if wide else (together(culprit),)
        made.add_row(
            DASH if view.remark else seconds(culprit.lost),
            seconds(culprit.held),
            str(culprit.stalls),
            DASH if view.remark else str(culprit.victims),
            safe(culprit.cause),
            *where,
            style="bold" if culprit.active else "",
        )
    return made


def apart(culprit: Culprit) -> tuple[Text, ...]:
    parts = (tail(named(culprit.site)), named(culprit.route), place(culprit), safe(culprit.call))
    return tuple(map(Text, parts))


def together(culprit: Culprit) -> Text:
    if not culprit.place:
        return Text(tail(named(culprit.site)))
    what = safe(culprit.call) or tail(named(culprit.site))
    return Text(f"{place(culprit)} ", "cyan").append(what, "default")


def place(culprit: Culprit) -> str:
    return safe(PurePath(culprit.place.replace("\\", "/")).name)


def route_table(routes: Sequence[Route], view: View) -> Table:
    made = table(
        *(("req/s", "r"), ("p50", "r"), ("p99", "r"), ("its latency", "l")),
        *(("loop cost", "r"), ("route", "+")),
    )
    width = max(12, min(40, view.width // 5))
    for route in routes:
        name = Text(f"{named(route.method)} ", "dim").append(named(route.route), "not dim")
        made.add_row(
            rate(route.rate),
            optional(route.p50, quantile),
            optional(route.p99, quantile),
            bar(route.parts, width, view),
            optional(route.loop_cost, seconds),
            name,
        )
    return made


def foot(view: View) -> Text:
    other = "" if view.remark else "  w shows " + ("stalls" if view.show == "waits" else "waits")
    return line(f"q quits  s sorts by the next figure{other}" if view.keys else "", "dim")
