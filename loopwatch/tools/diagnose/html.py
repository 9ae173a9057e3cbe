"""A report as one HTML file that loads nothing else: jinja2, imported only here.

The template escapes all text from the app. Only the style and the plots, which are ours, are not
escaped. The page has no scripts, and its policy allows none.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import PurePath
from typing import Any

from loopwatch.core.causes import label
from loopwatch.core.extras import MissingExtraError
from loopwatch.core.plural import counted
from loopwatch.core.record_types import NONE, OTHER
from loopwatch.core.tails import Parts
from loopwatch.tools.diagnose import plots
from loopwatch.tools.diagnose.flames import flames
from loopwatch.tools.diagnose.plot_style import LINES, RANKS, REST, Line
from loopwatch.tools.diagnose.report_records import Distribution, Report, RouteReport
from loopwatch.tools.diagnose.verdict import GOOD
from loopwatch.tools.diagnose.wording import lost, ms, percent, place, printable

try:
    from jinja2 import Environment, PackageLoader, StrictUndefined
except ImportError as error:
    raise MissingExtraError(error, "report", "--html") from error

OPEN = 3  # culprits whose details are open at first
ROUTES = 40  # in the table; the rest are summed
TAILS = 8  # routes whose slowest requests are shown
PLOTTED = 6  # routes whose distribution is drawn
REQUESTS = 12  # kinds of requests of the load that are shown
NAMES = ("queued", "running", "stalled", "waiting", "unexplained")
SHOWN = (0.5, 0.9, 0.99, 0.999)  # percentiles beside a distribution
NARROWEST = 0.05  # percent of a bar: no narrower part is shown
UNKNOWN = "–"  # noqa: RUF001
KINDS = {
    "not_enough_data": "Not enough data",
    "errors": "Requests fail",
    "generator": "The load generator was the limit",
    "blocked": "The loop is held",
    "starved": label("starved").replace("no ", "No ", 1),
    "loop_cost": "Limited by what requests cost the loop",
    "thread_pool": "Limited by the thread pool",
    "concurrency": "Limited by how many get through at a time",
    "waiting": "Limited by what requests await",
    "no_stalls": "Nothing holds the loop",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One part of a bar; places are percent of its width."""

    name: str
    seconds: float
    left: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The sum of the routes without a row in the table."""

    routes: int
    requests: int
    errors: int | None
    lost: float


def document(report: Report) -> str:
    """Return the report as an HTML document; the same report gives the same text."""
    style = files(__package__).joinpath("report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    drawn = report.timeline or report.stalls
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            style=style,
            style_hash=f"sha256-{digest}",
            timelines=[plots.timeline(report, narrow) for narrow in (False, True)] if drawn else [],
            distributions=[
                (one, plots.distribution(one), rows(one)) for one in report.distributions[:PLOTTED]
            ],
            flames=flames(report.stacks),
            loop_flames=flames(report.loop_stacks),
            rest=rest(report.routes[ROUTES:]),
        )
    )


def environment() -> Environment:
    found = Environment(
        loader=PackageLoader(__package__, ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "ms": duration,
        "percent": share,
        "count": count,
        "rate": rate,
        "date": date,
        "named": named,
        "frame": short_frame,
        "cause": label,
        "file": short_file,
        "lost": lost,
    }
    found.globals |= {
        "segments": segments,
        "OPEN": OPEN,
        "place": place,
        "counted": counted,
        "KINDS": KINDS,
        "GOOD": GOOD,
        "ROUTES": ROUTES,
        "TAILS": TAILS,
        "REQUESTS": REQUESTS,
        "SHOWN": SHOWN,
        "NONE": NONE,
        "RANKS": RANKS,
        "REST": REST,
    }
    return found


def shown(value: Any) -> Any:
    """Return a value as a page may show it: text from an app may hold any character."""
    return printable(value) if type(value) is str else value


def duration(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else ms(seconds)


def share(value: float | None) -> str:
    return UNKNOWN if value is None else percent(value)


def count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def rate(value: float | None) -> str:
    """Return requests a second with about three digits."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def named(label: str | None, otherwise: str = "outside any request") -> str:
    if label is None or label == NONE:
        return otherwise
    return "all others" if label == OTHER else label


def short_frame(frame: str) -> str:
    """Return the end of `module.qualname:line`: it fits into a narrow bar."""
    function, _, line = frame.rpartition(":")
    parts = [part for part in (function or line).split(".") if part != "<locals>"]
    return ".".join(parts[-2:]) + (f":{line}" if function else "")


def short_file(path: str) -> str:
    """Return the part of a path that begins at its library, or its last two parts."""
    parts = PurePath(path.replace("\\", "/")).parts
    if "site-packages" in parts:
        return "/".join(parts[parts.index("site-packages") + 1 :])
    return "/".join(parts[-2:])


def segments(parts: Parts, unexplained: float | None = None, whole: float = 0.0) -> list[Segment]:
    """Return the parts of a mean latency as a bar; the full bar is `whole`, or their sum."""
    values = [parts.queued, parts.running, parts.stalled, parts.waiting, unexplained or 0.0]
    values = [max(0.0, value) for value in values]
    whole = whole or sum(values)
    found, left = [], 0.0
    for name, seconds in zip(NAMES, values, strict=True):
        width = 100 * seconds / whole if whole else 0.0
        if width >= NARROWEST:
            found.append(Segment(name=name, seconds=seconds, left=left, width=width))
        left += width
    return found


def rows(drawn: Distribution) -> list[tuple[Line, list[float]]]:
    """Return the percentiles `SHOWN` of each line of a distribution."""
    places = [min(range(len(drawn.at)), key=lambda i: abs(drawn.at[i] - q)) for q in SHOWN]
    known = [(line, getattr(drawn, line.field)) for line in LINES]
    return [(line, [values[i] for i in places]) for line, values in known if values]


def rest(routes: Sequence[RouteReport]) -> Rest | None:
    """Return the sum of routes; `lost` is counted by route, for all methods together."""
    if not routes:
        return None
    known = [route.errors for route in routes if route.errors is not None]
    return Rest(
        routes=len(routes),
        requests=sum(route.requests for route in routes),
        errors=sum(known) if known else None,
        lost=sum({route.route: route.lost for route in routes}.values()),
    )
