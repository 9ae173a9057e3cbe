"""Stacks and the seconds spent in each, for flame graphs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from loopwatch.tools.diagnose.report_records import FoldedStack

STACKS = 200

Key = tuple[tuple[str, ...], str]  # its frames, outermost first, and its site


def folded_stacks(spent: Iterable[tuple[Key, float]]) -> tuple[FoldedStack, ...]:
    """Return each stack once, most seconds first."""
    found: defaultdict[Key, float] = defaultdict(float)
    for key, seconds in spent:
        found[key] += seconds
    rows = sorted(found.items(), key=lambda item: -item[1])[:STACKS]
    return tuple(
        FoldedStack(frames=frames, seconds=seconds, site=site) for (frames, site), seconds in rows
    )
