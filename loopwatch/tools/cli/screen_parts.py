"""The parts that every drawing in a terminal is made of: lines, tables, bars, figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loopwatch.core.histogram import SECONDS_EDGES
from loopwatch.core.record_types import NONE
from loopwatch.core.safe_text import safe
from loopwatch.tools.cli.readings import PARTS
from loopwatch.tools.cli.terminal import Table, Text

COLOURS = {"queued": "yellow", "running": "blue", "stalled": "red", "waiting": "bright_black"}
ORDER = ("queued", "stalled", "running", "waiting")  # of the parts in a bar, as on the page
DASH = "\u2013"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a drawing depends on besides the reading."""

    url: str
    sort: str  # the culprits' field
    show: str = "stalls"  # or waits: what requests wait for, lines of loop time, in flight
    width: int
    height: int | None  # None: as many rows as there are
    colour: bool
    keys: bool = False
    per_minute: float | None = None  # stalls
    trouble: str = ""  # why there is no newer reading
    remark: str = ""  # what cannot be shown, in place of the routes


def line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


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


def tail(name: str) -> str:
    """Return the end of a qualified name: there names differ."""
    return ".".join([part for part in name.split(".") if part != "<locals>"][-2:])


def bar(parts: Sequence[float], width: int, view: View) -> Text:
    """Return the parts of a latency side by side, in `width` columns in all."""
    spent = dict(zip(PARTS, parts, strict=True))
    whole, begun, made = sum(parts), 0.0, Text()
    for part in ORDER if whole else ():
        edges = [round(width * at / whole) for at in (begun, begun + spent[part])]
        made.append(mark(part, view) * (edges[1] - edges[0]), COLOURS[part])
        begun += spent[part]
    return made


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
