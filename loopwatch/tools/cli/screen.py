"""Draws a reading of a live page in a terminal of any size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import PurePath
from typing import Any

from loopwatch.core.histogram import SECONDS_EDGES
from loopwatch.core.record_types import NONE
from loopwatch.core.safe_text import safe
from loopwatch.tools.cli.readings import PARTS, Culprit, Reading, Route
from loopwatch.tools.cli.terminal import Group, RenderableType, Table, Text

COLOURS = {"queued": "yellow", "running": "blue", "stalled": "red", "waiting": "bright_black"}
ORDER = ("queued", "stalled", "running", "waiting")  # of the parts in a bar, as on the page
WIDE = 130  # columns; from here on route, site, line and call have columns of their own
FRAME = 8  # lines that are neither a culprit nor a route
FEWEST = 3  # culprits shown, however low the terminal
DASH = "\u2013"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a drawing depends on besides the reading."""

    url: str
    sort: str  # the culprits' field
    width: int
    height: int | None  # None: as many rows as there are
    colour: bool
    keys: bool = False
    per_minute: float | None = None  # stalls
    trouble: str = ""  # why there is no newer reading
    remark: str = ""  # what cannot be shown, in place of the routes


def drawn(reading: Reading, view: View) -> RenderableType:
    """Return the whole screen, at most `view.height` lines."""
    notes = warnings(reading, view)
    culprits = sorted(reading.culprits, key=attrgetter(view.sort, "held"), reverse=True)
    routes = sorted(reading.routes, key=attrgetter("rate", "whole"), reverse=True)
    shown, room = len(culprits), len(routes)
    if view.height is not None:
        lines = max(0, view.height - FRAME - len(notes))
        shown = min(shown, max(FEWEST, lines - min(room, lines // 2)))
        room = max(0, lines - max(shown, 1))
    span = "since the watch began" if reading.alone else f"in the last {seconds(reading.seconds)}"
    return Group(
        *head(reading, view),
        *notes,
        title(f"Culprits since the watch began, by {view.sort}", len(culprits) - shown, view),
        culprit_table(culprits[:shown], view) if culprits else line("  none yet", "dim"),
        *(
            [line(view.remark, "dim")]
            if view.remark
            else [
                title(f"Routes {span}", len(routes) - min(room, len(routes)), view, legend(view)),
                route_table(routes[:room], view),
            ]
        ),
        foot(view),
    )


def line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


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


def title(text: str, hidden: int, view: View, more: Text | None = None) -> Text:
    whole = line(text, "bold")
    if hidden > 0:
        whole.append(f", {hidden} more not shown", "not bold dim")
    if more is not None and len(whole) + len(more) + 3 <= view.width:
        whole.append("   ").append_text(more)
    return whole


def legend(view: View) -> Text:
    whole = Text(style="not bold")
    for part in ORDER:
        whole.append(mark(part, view), COLOURS[part]).append(f" {part}  ", "not bold")
    return whole


def mark(part: str, view: View) -> str:
    return "█" if view.colour else part[0]


def table(*columns: tuple[str, str]) -> Table:
    """Return an empty table. A column is its name, and `r`, `l`, or `+` to take the rest."""
    made = Table(box=None, padding=(0, 1, 0, 0), expand=True, header_style="dim", pad_edge=False)
    for name, kind in columns:
        made.add_column(
            name,
            justify="right" if kind == "r" else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if kind == "+" else None,
        )
    return made


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


def tail(name: str) -> str:
    """Return the end of a qualified name: there names differ."""
    return ".".join([part for part in name.split(".") if part != "<locals>"][-2:])


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


def bar(parts: Sequence[float], width: int, view: View) -> Text:
    """Return the parts of a latency side by side, in `width` columns in all."""
    spent = dict(zip(PARTS, parts, strict=True))
    whole, begun, made = sum(parts), 0.0, Text()
    for part in ORDER if whole else ():
        edges = [round(width * at / whole) for at in (begun, begun + spent[part])]
        made.append(mark(part, view) * (edges[1] - edges[0]), COLOURS[part])
        begun += spent[part]
    return made


def foot(view: View) -> Text:
    return line("q quits  s sorts by the next figure" if view.keys else "", "dim")


def named(label: str) -> str:
    return {NONE: DASH}.get(label) or safe(label)


def optional(value: float | None, text: Callable[[float], str]) -> str:
    return DASH if value is None else text(value)


def quantile(value: float) -> str:
    """Return a quantile of a histogram; below its first edge, only that it is below."""
    if value >= SECONDS_EDGES[-1]:
        return f">{seconds(SECONDS_EDGES[-1])}"
    return f"<{SECONDS_EDGES[0] * 1000:g} ms" if value < SECONDS_EDGES[0] else seconds(value)


def rate(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.{1 if value >= 9.995 else 2}f}"


def seconds(value: float) -> str:
    if value >= 5400:
        return f"{value / 3600:.1f} h"
    if value >= 600:
        return f"{value / 60:.0f} min"
    if value >= 0.9995:
        return f"{rate(value)} s"
    return f"{1000 * value:.0f} ms" if value >= 0.00995 or value == 0 else f"{1000 * value:.1f} ms"
