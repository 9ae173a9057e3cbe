"""The verdict on a loop that is full of short steps, and the lines that fill it."""

from __future__ import annotations

from dataclasses import replace

from loopwatch.core.record_types import NONE
from loopwatch.tools.diagnose.estimate_records import LoopLine
from loopwatch.tools.diagnose.findings import Findings
from loopwatch.tools.diagnose.report_records import Throughput, Verdict
from loopwatch.tools.diagnose.wording import line_name, ms, owner, percent, routed

SATURATED = 0.80  # utilization
NAMED, SAMPLES = 0.05, 5  # least share and samples of a line that is named
NEXT, BESIDE = 2, 0.10  # further lines that are named, and the least share of these
NO_LINE = "many_callbacks"  # the cause of stalls that no single line makes


def full(found: Findings) -> Verdict | None:
    """Return the lines that fill the loop, where no stall has a line of its own to name."""
    if not is_full(found) or any(c.cause != NO_LINE for c in found.culprits):
        return None
    return saturated(found) if fills_most(found) is not None else None


def is_full(found: Findings) -> bool:
    use = found.throughput.utilization
    return use is not None and use >= SATURATED


def fills_most(found: Findings) -> LoopLine | None:
    lines = found.loop_lines
    known = lines and lines[0].share >= NAMED and lines[0].samples >= SAMPLES
    return lines[0] if known else None


def saturated(found: Findings) -> Verdict | None:
    use, line = found.throughput.utilization, fills_most(found)
    if use is None or not is_full(found):
        return None
    most = found.throughput.served / use  # time outside the routes' own steps is the server's
    limit = f"it can serve about {most:.0f} requests/s of this mix at most"
    if line is None:
        return Verdict(
            kind="loop_cost",
            text="No stalls; you are limited by what requests cost the loop: it is busy for "
            f"{percent(use)} of the time, and {limit}. {busy_text(found.throughput)}",
            share=use,
        )
    stalls = "No stalls" if not found.culprits else "No single slow step, but many in a row"
    return Verdict(
        kind="loop_cost",
        text=f"The loop is full: {line_text(line)}.{others_text(found)} {stalls}; it is busy for "
        f"{percent(use)} of the time, and {limit}.",
        route=line.route,
        method=line.method,
        site=line.site.function,
        share=use,
    )


def line_text(line: LoopLine) -> str:
    """Return how much of the loop's busy time a line takes, for whom, in which steps."""
    whose = (
        "outside any request" if line.route == NONE else f"for `{owner(line.route, line.method)}`"
    )
    steps = f", in steps of {ms(line.step)}" if line.step is not None else ""
    return f"{percent(line.share)} of it is {line_name(line.site)} {whose}{steps}"


def others_text(found: Findings) -> str:
    others = [line for line in found.loop_lines[1 : NEXT + 1] if line.share >= BESIDE]
    if not others:
        return ""
    named = ", ".join(f"{line_name(line.site)} {percent(line.share)}" for line in others)
    return f" Next: {named}."


def with_lines(found: Findings, told: Verdict) -> Verdict:
    """Return a verdict on a stall, followed by the line that fills the loop if that is another."""
    line = fills_most(found)
    if told.kind != "blocked" or line is None or not is_full(found):
        return told
    if line.site.function == told.site:
        return told
    return replace(told, text=f"{told.text} The loop is full as well: {line_text(line)}.")


def busy_text(throughput: Throughput) -> str:
    if not throughput.busiest:
        return "Its busy time is not in requests' own steps."
    shares = ", ".join(f"`{routed(b.route)}` {percent(b.share)}" for b in throughput.busiest[:3])
    return f"The largest shares of its time: {shares}."


def busiest_line(found: Findings) -> str:
    """Return the line that takes most of the busy time as a sentence; empty if none is known."""
    line = fills_most(found)
    return f" Of its busy time, {line_text(line).replace(' of it is', ' is', 1)}." if line else ""
