"""The logger `loopwatch`, which a logging configuration that does not name it leaves on.

`logging.config.dictConfig` and `fileConfig` switch off each logger that exists and is not named, by
`disable_existing_loggers=True`, their default. Most apps are configured after their imports, so
loopwatch would be silent without anybody having meant it. Rule: what `logging.config` itself
assigns to `disabled` switches this logger on at most, never off. What anybody else assigns counts
as for any logger, at whatever time; and so do levels, filters, handlers, `propagate` and
`logging.disable`, wherever they come from.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

CONFIGURATION = "logging.config"


def is_disabled(logger: logging.Logger) -> bool:
    return bool(vars(logger).get("disabled", False))


def disable(logger: logging.Logger, value: Any) -> None:
    if value and sys._getframe(1).f_globals.get("__name__") == CONFIGURATION:
        vars(logger)["spared"] = True
    else:
        vars(logger)["disabled"] = value


def own_logger(name: str) -> logging.Logger:
    """Return the logger of that name. Its class is derived from what it was, which may be the
    app's; one that decides by itself what `disabled` is stays as it is."""
    logger = logging.getLogger(name)
    kind = type(logger)
    if not hasattr(kind, "disabled"):
        more = {"disabled": property(is_disabled, disable), "__module__": kind.__module__}
        logger.__class__ = type(kind.__name__, (kind,), more)
    return logger


def was_spared(logger: logging.Logger) -> bool:
    """Return whether a configuration has tried to switch it off since this was last asked."""
    return bool(vars(logger).pop("spared", False))
