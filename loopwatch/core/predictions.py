"""The predictions of a snapshot: made when somebody asks for them, from what was recorded then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from loopwatch.core.guard import log_once

if TYPE_CHECKING:  # few ask
    from loopwatch.core.foreseeing import Predicted, Predicting


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
