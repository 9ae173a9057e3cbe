"""What a snapshot asks for predictions: replays of what the loops have recorded.

Where nothing is recorded, the latency without a site is estimated: `loopwatch.core.recent`. Where a
recording does not suffice, it is estimated as well, and the reason says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from loopwatch.core.guard import log_once
from loopwatch.core.recent import WhatIf

FEWEST = 20  # requests of a route from which a replay tells of it


class Predicted(Protocol):
    """What latency would be, by route."""

    @property
    def reason(self) -> str:
        """Why there is no prediction; empty: there is one."""

    def of(self, route: str, method: str) -> WhatIf | None:
        """Return that of one route and method; None if it has no request."""


class Predicting(Protocol):
    """What can predict latency without some sites; `loopwatch.replay.replay.Replay` does it."""

    def without(self, *sites: str) -> Predicted | None:
        """Return the prediction; None if nothing was recorded."""


class Latest:
    """Predictions from the latest recordings, which are read when somebody asks for the first time.

    A copy of it predicts nothing: a snapshot can be stored, the loops cannot.
    """

    def __init__(self, make: Callable[[], Predicting]) -> None:
        self._make = make
        self._made: Predicting | None = None
        self._known: dict[tuple[str, ...], Predicted | None] = {}

    def without(self, *sites: str) -> Predicted | None:
        """Return the prediction; None also after an error, which is logged once."""
        if sites not in self._known:
            try:
                self._made = self._made or self._make()
                self._known[sites] = self._made.without(*sites)
            except Exception:
                log_once("replay")
                self._known[sites] = None
        return self._known[sites]

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return nothing, ()


def nothing() -> None:
    """Stand for what cannot be copied."""


def foreseen(
    estimates: Iterable[WhatIf | None], predicting: Predicting | None, *sites: str
) -> tuple[WhatIf, ...]:
    """Return what is predicted of routes without some sites; the estimate of each route if there is
    no prediction."""
    known = [estimate for estimate in estimates if estimate is not None]
    predicted = predicting.without(*sites) if predicting is not None and known else None
    if predicted is None:
        return tuple(known)
    return tuple(better(estimate, predicted) for estimate in known)


def better(estimate: WhatIf, predicted: Predicted) -> WhatIf:
    """Return the prediction of a route, if it is one of enough requests."""
    if predicted.reason:
        return replace(estimate, reason=predicted.reason)
    found = predicted.of(estimate.route, estimate.method)
    count = found.requests if found is not None else 0
    if found is None or count < min(FEWEST, estimate.requests):
        return replace(estimate, reason=f"only {count} of its requests were recorded")
    return found
