"""One number in two reports, and which way it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SHARE, SECONDS = 0.10, 0.005  # a latency has changed if it changed by at least both

Change = Literal["better", "worse", "same", "gone", "new"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number in both reports; None if a report does not have it."""

    name: str
    unit: str  # s, count, share
    before: float | None
    after: float | None
    change: Change


def changed(before: float | None, after: float | None, least: float = SECONDS) -> Change:
    """Return how a number changed of which less is better; small changes are `same`."""
    if before is None or after is None:
        return "same"
    if abs(after - before) < max(least, SHARE * max(before, after)):
        return "same"
    return "better" if after < before else "worse"


def rate(count: float, seconds: float) -> float | None:
    """Return a rate per second; None if the app ended before the second reading."""
    return count / seconds if seconds > 0 else None
