"""The profiles of a watch that tools can draw: its stalls, and its loops' busy time."""

from __future__ import annotations

from collections.abc import Collection

from loopwatch.core import options
from loopwatch.ledger.loop_time_table import LoopTimeTable
from loopwatch.ledger.profile import Profile
from loopwatch.watch.loop_time import LoopTime
from loopwatch.watch.reporter import Reporter
from loopwatch.watch.watched_loop import WatchedLoop

PROFILES = "stalls", "loop_time"


def chosen(
    of: str, reporter: Reporter, loop_time: LoopTime, loops: Collection[WatchedLoop]
) -> Profile | LoopTimeTable:
    """Return one of `PROFILES`, as of now; raises ValueError for anything else."""
    if options.one_of("of", of, PROFILES) == "loop_time":
        return loop_time.collected(loops)
    reporter.explain(loops)
    return reporter.table.profile
