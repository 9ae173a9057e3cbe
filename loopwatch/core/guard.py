"""Errors inside loopwatch never reach the app: each is logged once and dropped."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, ParamSpec

P = ParamSpec("P")

logger = logging.getLogger("loopwatch")
_told: set[str] = set()  # bounded by the number of guarded functions


def guarded(function: Callable[P, None]) -> Callable[P, None]:
    """Return `function`; an `Exception` from it is logged once, and not raised."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception:
            log_once(f"{function.__module__}.{function.__qualname__}")

    return wrapper


def log_once(where: str) -> None:
    """Log the exception being handled, only the first time at `where`."""
    if where not in _told:
        _told.add(where)
        text = "error inside loopwatch, in %s; the app is not affected"
        say(logging.ERROR, text, where, exc_info=True)


def say(level: int, text: str, *args: object, **more: Any) -> bool:
    """Log a message; return False if a filter or a handler of the app raised."""
    try:
        logger.log(level, text, *args, **more)
    except Exception:
        return False
    return True
