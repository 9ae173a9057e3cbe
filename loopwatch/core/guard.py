"""Errors inside loopwatch never reach the app: each is logged at most once an hour, and dropped.

Two errors are the same if they are of one type and were raised on one line. So an error that anyone
can bring about hides no other one, and one that stays is not forgotten.
"""

from __future__ import annotations

import functools
import logging
import sys
import time
from collections.abc import Callable, Hashable
from typing import Any, ParamSpec

from loopwatch.core.names import callable_name
from loopwatch.core.own_logger import own_logger, was_spared
from loopwatch.core.safe_text import safe

P = ParamSpec("P")

AGAIN = 3600.0  # s until the same thing is said again
MESSAGES = 256  # different ones remembered; beyond, the one said longest ago is forgotten

SPARED = (
    "a logging configuration with disable_existing_loggers=True does not name the logger "
    "loopwatch, which stays on; to silence it, give it a level there, or use Watch(log=False)"
)

logger = own_logger("loopwatch")
_told: dict[Hashable, float] = {}  # when each was said, on time.monotonic's clock; oldest first


def guarded(function: Callable[P, None]) -> Callable[P, None]:
    """Return `function`; an `Exception` from it is logged once an hour, and not raised."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception:
            log_once(callable_name(function))

    return wrapper


def log_once(where: str) -> None:
    """Log the exception being handled, unless the same was logged at `where` within the hour."""
    error = sys.exc_info()[1]
    if is_due((where, type(error), raised_at(error))):
        text = "error inside loopwatch, in %s; the app is not affected"
        say(logging.ERROR, text, where, exc_info=True)


def is_due(message: Hashable) -> bool:
    """Return whether a message is to be said now; if so, not again within the hour."""
    now = time.monotonic()
    if now - _told.get(message, float("-inf")) < AGAIN:
        return False
    _told.pop(message, None)
    while len(_told) >= MESSAGES:
        _told.pop(next(iter(_told), None), None)
    _told[message] = now
    return True


def raised_at(error: BaseException | None) -> tuple[str, int] | None:
    """Return the file and the line on which an exception was raised."""
    trace = error.__traceback__ if error is not None else None
    if trace is None:
        return None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno


def say(level: int, text: str, *args: object, **more: Any) -> bool:
    """Log a message, what is text in it made safe; return False if a filter or a handler raised."""
    try:
        if was_spared(logger):
            logger.info(SPARED)
        safe_args = (safe(arg) if isinstance(arg, str) else arg for arg in args)
        logger.log(level, text, *safe_args, **more)
    except Exception:
        return False
    return True
