"""The verdict on a process that was attached to: requests are not known.

1. Less than 2 s without a stall: nothing is claimed.
2. The process had no CPU for at least half of the time the loop was held.
3. Stalls: the site of most seconds.
4. The loop was busy for at least 80 % of the time, in steps that are short.
5. Nothing held the loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from loopwatch.core.plural import counted
from loopwatch.tools.diagnose.full_verdict import SATURATED
from loopwatch.tools.diagnose.report_records import Culprit, Throughput, Verdict
from loopwatch.tools.diagnose.verdict import SHORTEST, STARVED, no_cpu
from loopwatch.tools.diagnose.wording import percent, site_name


def outside_verdict(seconds: float, culprits: Sequence[Culprit], served: Throughput) -> Verdict:
    """Return what limits the app, as far as it can be seen from outside."""
    if not culprits:
        return without_stalls(seconds, served.utilization)
    held = sum(culprit.seconds for culprit in culprits)
    without_cpu = sum(c.seconds for c in culprits if c.cause == "starved")
    if without_cpu >= STARVED * held:
        return no_cpu(without_cpu, held)
    worst = max(culprits, key=lambda culprit: culprit.seconds)
    share = f", {percent(worst.seconds / seconds)} of the time" if seconds > 0 else ""
    return Verdict(
        kind="blocked",
        text=f"The loop was held {counted(worst.count, 'time')} by "
        f"{site_name(worst, worst.site.function)}: {worst.seconds:.2f} s in all{share}, "
        f"{worst.longest:.2f} s the longest. Whose request that was, and who waited, is not "
        "known.",
        site=worst.site.function,
    )


def without_stalls(seconds: float, use: float | None) -> Verdict:
    if seconds < SHORTEST:
        return Verdict(
            kind="not_enough_data",
            text=f"Not enough data: {seconds:.1f} s without a stall. At least {SHORTEST:g} s, "
            "under load, would be enough to say something.",
        )
    if use is not None and use >= SATURATED:
        return Verdict(
            kind="loop_cost",
            text=f"No stalls; the loop was busy for {percent(use)} of {seconds:.1f} s, in many "
            "short steps. Run loopwatch in the process to see which routes they belong to.",
            share=use,
        )
    busy = "" if use is None else f"; it was busy for {percent(use)} of the time"
    return Verdict(kind="no_stalls", text=f"Nothing held the loop in {seconds:.1f} s{busy}.")
