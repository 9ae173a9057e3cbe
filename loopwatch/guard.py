"""The app never feels us: an error inside loopwatch is logged once, and swallowed."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")

logger = logging.getLogger("loopwatch")
_told: set[str] = set()  # bounded by the number of guarded functions


def guarded(function: Callable[P, None]) -> Callable[P, None]:
    """Return `function` with any `Exception` of its own logged once instead of raised."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception:
            tell_once(f"{function.__module__}.{function.__qualname__}")

    return wrapper


def tell_once(where: str) -> None:
    """Log the exception being handled, the first time it happens at `where`."""
    if where not in _told:
        _told.add(where)
        logger.exception("error inside loopwatch, in %s; the app is not affected", where)
