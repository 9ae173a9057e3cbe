"""The plots of a report: matplotlib, imported only here.

No text from the app is drawn: names are in the page and in the marks' tooltips. So matplotlib
cannot take a name for mathematics, and no name needs a font.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from statistics import median

from loopwatch.core.extras import MissingExtraError
from loopwatch.tools.diagnose import svg
from loopwatch.tools.diagnose.plot_style import LINES, RANKS, REST, STYLE
from loopwatch.tools.diagnose.report_records import (
    Culprit,
    Distribution,
    Knee,
    Load,
    Moment,
    Report,
    StallMark,
)
from loopwatch.tools.diagnose.svg import color
from loopwatch.tools.diagnose.wording import ms, owner, percent, printable

try:
    from matplotlib import style
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
except ImportError as error:
    raise MissingExtraError(error, "report", "--html") from error

WIDE, NARROW = 980, 340  # CSS pixels
BOUND = 0.1  # s: the default of slow_callback_duration
STEPS = (1, 2, 2.5, 5, 10)  # between two ticks, times a power of ten
DOTS = 60  # from this many points on, a line has no marks
LOG = 20.0  # from this ratio of highest to lowest latency on, the axis is logarithmic
TAIL = 3.4  # place of the slowest request on an axis with p99.9 at 3


def timeline(report: Report, narrow: bool = False) -> str:
    """Return latency, stalls and lag, utilization and rate over the time of the measurement."""
    moments = steady(report.timeline)
    wanted = [(latency, 150), (held, 130)]
    if any(m.utilization is not None for m in moments):
        wanted.append((busy, 70))
    if any(m.finished for m in moments):
        wanted.append((rates, 80))
    kind = "plot narrow" if narrow else "plot wide"
    with style.context(["default", STYLE | {"svg.hashsalt": f"timeline {kind}"}]):
        figure, axes = panels(NARROW if narrow else WIDE, [height for _, height in wanted])
        titles: dict[str, str] = {}
        for (draw, _), ax in zip(wanted, axes, strict=True):
            draw(ax, moments, report, titles)
            ax.margins(x=0)
        end = max([report.duration, *(m.at for m in report.timeline)])
        axes[0].set_xlim(0, end or 1)
        axes[-1].xaxis.set_major_locator(MaxNLocator(5 if narrow else 10, steps=STEPS))
        axes[-1].xaxis.set_major_formatter(FuncFormatter(clock))
        mark_knee(axes, report)
        return inlined(figure, "Latency, stalls, lag and utilization over time", kind, titles)


def steady(moments: Sequence[Moment]) -> list[Moment]:
    """Return the moments that are long enough for a rate."""
    usual = median(m.seconds for m in moments) if moments else 0.0
    return [m for m in moments if m.seconds > usual / 4]


def panels(width: float, heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """Return a figure of stacked panels with a common time axis; lengths are in pixels."""
    left, right, above, below = 54, 8, 40, 26
    height = sum(heights) + above * len(heights) + below
    figure = Figure(figsize=(width / 72, height / 72))
    axes: list[Axes] = []
    top = height
    for tall in heights:
        top -= above + tall
        box = (left / width, top / height, 1 - (left + right) / width, tall / height)
        axes.append(figure.add_axes(box, sharex=axes[0] if axes else None))
    for ax in axes[:-1]:
        ax.tick_params(labelbottom=False)
    return figure, axes


def latency(ax: Axes, moments: list[Moment], report: Report, titles: dict[str, str]) -> None:
    ax.set_title("True latency" if report.load is None else "Latency, as clients saw it")
    times = middles(moments)
    known = [(numbers([m.p99 for m in moments]), "p99", "held")]
    known += [(numbers([m.p50 for m in moments]), "p50", "calm")]
    for values, name, tone in known:
        ax.plot(times, values, color=color(tone), label=name, marker=dots(moments))
    seconds_axis(ax, [v for values, _, _ in known for v in values])
    legend(ax)


def held(ax: Axes, moments: list[Moment], report: Report, titles: dict[str, str]) -> None:
    ax.set_title("Stalls, and lag")
    tones = [color(tone) for tone in toned(report.stalls, report.culprits)]
    lengths = [mark.duration for mark in report.stalls]
    starts = [mark.at for mark in report.stalls]
    bars = ax.bar(starts, lengths, lengths, align="edge", color=tones, edgecolor=tones, lw=1)
    for number, (bar, mark) in enumerate(zip(bars, report.stalls, strict=True)):
        bar.set_gid(f"stall-{number}")
        titles[f"stall-{number}"] = stall_title(mark)
    lag = numbers([m.lag_p99 for m in moments])
    ax.plot(middles(moments), lag, color=color("ink"), lw=1.2, label="lag p99")
    ax.axhline(BOUND, color=color("soft"), lw=1, ls=(0, (4, 3)), label="100 ms")
    seconds_axis(ax, [*lag, *lengths, BOUND])
    legend(ax)


def toned(stalls: Sequence[StallMark], culprits: Sequence[Culprit]) -> list[str]:
    """Return the colour of each stall's culprit."""
    tones = {(c.site.function, c.route): t for c, t in zip(culprits, RANKS, strict=False)}
    return [tones.get((mark.site, mark.route), REST) for mark in stalls]


def stall_title(mark: StallMark) -> str:
    line = f":{mark.line}" if mark.line else ""
    whose = owner(mark.route, mark.method)
    return printable(f"{ms(mark.duration)} at {mark.at:.2f} s: {mark.site}{line}, {whose}")


def busy(ax: Axes, moments: list[Moment], report: Report, titles: dict[str, str]) -> None:
    ax.set_title("Loop busy")
    edges = [edge for m in moments for edge in (m.at - m.seconds, m.at)]
    shares = numbers([share for m in moments for share in (m.utilization, m.utilization)])
    ax.fill_between(edges, shares, color=color("calm"), alpha=0.75, lw=0)
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 0.5, 1])
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))


def rates(ax: Axes, moments: list[Moment], report: Report, titles: dict[str, str]) -> None:
    ax.set_title("Requests/s")
    times = middles(moments)
    done = [m.finished / m.seconds for m in moments]
    asked = numbers([m.rate for m in moments])
    if any(map(math.isfinite, asked)):
        ax.plot(times, asked, color=color("waiting"), lw=1.2, ls=(0, (4, 3)), label="asked")
    ax.plot(times, done, color=color("ink"), lw=1.4, label="finished", marker=dots(moments))
    ax.set_ylim(0, 1.15 * max([*done, *(v for v in asked if math.isfinite(v)), 1.0]))
    ax.yaxis.set_major_locator(MaxNLocator(3, steps=STEPS))
    legend(ax)


def mark_knee(axes: Sequence[Axes], report: Report) -> None:
    knee, load = report.throughput.knee, report.load
    if knee is None or knee.rate is None or load is None or load.rate_end == load.rate:
        return
    at = knee_time(knee, load)
    for ax in axes:
        ax.axvline(at, color=color("queued"), lw=1.4)
    late = at > load.duration * 0.6
    axes[0].annotate(
        f"knee: {knee.rate:.3g} requests/s",
        (at, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-5 if late else 5, -3),
        textcoords="offset points",
        ha="right" if late else "left",
        va="top",
        color=color("ink"),
    )


def knee_time(knee: Knee, load: Load) -> float:
    """Return when a ramp reached the knee, s since the beginning."""
    assert knee.rate is not None
    return load.duration * (knee.rate - load.rate) / (load.rate_end - load.rate)


def distribution(one: Distribution) -> str:
    """Return the latency of a route by percentile, with an axis that stretches the tail."""
    salt = f"distribution {one.method} {one.route}".encode("utf-8", "replace").decode()
    with style.context(["default", STYLE | {"svg.hashsalt": salt, "axes.grid.axis": "both"}]):
        figure = Figure(figsize=(380 / 72, 210 / 72))
        ax = figure.add_axes((54 / 380, 28 / 210, 1 - 68 / 380, 1 - 38 / 210))
        at = [TAIL if q >= 1 else min(TAIL, -math.log10(1 - q)) for q in one.at]
        if one.without_top:
            ax.fill_between(at, one.without_top, one.now, color=color("calm"), alpha=0.14, lw=0)
        lines = [values for values in (getattr(one, line.field) for line in LINES) if values]
        for line in reversed(LINES):
            if values := getattr(one, line.field):
                ax.plot(at, values, color=color(line.color), ls=line.dashes)
        seconds_axis(ax, [value for values in lines for value in values], log=True)
        ax.set_xlim(0, TAIL)
        ax.set_xticks([-math.log10(0.5), 1, 2, 3, TAIL], ["p50", "p90", "p99", "p99.9", "max"])
        return inlined(figure, "Latency by percentile", "plot", {})


def middles(moments: Sequence[Moment]) -> list[float]:
    return [m.at - m.seconds / 2 for m in moments]


def numbers(values: Sequence[float | None]) -> list[float]:
    """Return values with gaps for unknown ones."""
    return [math.nan if value is None else value for value in values]


def dots(moments: Sequence[Moment]) -> str:
    return "o" if len(moments) < DOTS else ""


def legend(ax: Axes) -> None:
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1.02), ncols=3)


def seconds_axis(ax: Axes, values: Sequence[float], log: bool = False) -> None:
    """Set up an axis of durations: linear from zero, or logarithmic if they differ a lot."""
    known = [value for value in values if math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    if log and 0 < LOG * low < high:
        ax.set_yscale("log")
        ax.set_ylim(low / 1.5, high * 1.5)
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 3) if high < 300 * low else (1,)))
        ax.minorticks_off()
    else:
        ax.set_ylim(0, 1.1 * high or 1)
        ax.yaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    ax.yaxis.set_major_formatter(FuncFormatter(tick))


def tick(seconds: float, _: object) -> str:
    if not seconds:
        return "0"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def clock(seconds: float, _: object) -> str:
    if seconds < 120:
        return f"{seconds:g} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def inlined(figure: Figure, label: str, kind: str, titles: Mapping[str, str]) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return svg.inline(out.getvalue(), label, kind, titles)
