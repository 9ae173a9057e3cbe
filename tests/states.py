"""What of a loop and of a process a watch must leave as it was."""

import asyncio
import gc
import logging
import sys
import threading
from typing import Any


def answering() -> set[threading.Thread]:
    """Return the threads of mounted apps: they end by themselves, 5 s after the last question."""
    names = ("loopwatch-page", "loopwatch-metrics", "loopwatch-scrape")
    return {thread for thread in threading.enumerate() if thread.name in names}


def process_state() -> dict[str, Any]:
    """Return what loopwatch touches in the process."""
    state = {
        "Handle._run": asyncio.Handle._run,
        "Runner.run": asyncio.Runner.run,
        "run_forever": asyncio.BaseEventLoop.run_forever,
        "gc.callbacks": list(gc.callbacks),
        "asyncio filters": list(logging.getLogger("asyncio").filters),
        "asyncio level": logging.getLogger("asyncio").level,
        "threads": {t for t in threading.enumerate() if "loopwatch" in t.name} - answering(),
    }
    try:
        import uvloop
    except ImportError:
        return state
    return {**state, "uvloop": dict(vars(uvloop.Loop)), "bare": uvloop.Loop.run_forever}


def loop_state(loop: Any) -> dict[str, Any]:
    """Return what loopwatch touches in a loop."""
    changing = {"_ready", "_scheduled", "_timer_cancelled_count", "_current_handle"}
    changing.add("_coroutine_origin_tracking_saved_depth")  # asyncio reads it in debug mode only
    selector = getattr(loop, "_selector", None)
    return {
        "attributes": {k: v for k, v in vars(loop).items() if k not in changing},
        "select": selector is not None and vars(selector).get("select"),
        "debug": loop.get_debug(),
        "origins": sys.get_coroutine_origin_tracking_depth(),
        "slow": loop.slow_callback_duration,
        "factory": loop.get_task_factory(),
        "handler": loop.get_exception_handler(),
    }
