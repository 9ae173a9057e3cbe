"""The loops on which programs are played: one that nobody watches, and one that is watched."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from loopwatch import Watch

from ..conftest import loop_factory, private_watch

KINDS = ("asyncio", "uvloop", "eager")  # the last is asyncio's, with eager tasks


def missing(kind: str) -> str:
    """Return why there is no such loop here; empty if there is."""
    if kind == "eager" and sys.version_info < (3, 12):
        return "eager tasks came with Python 3.12"
    if kind == "uvloop":
        try:
            loop_factory(kind)
        except ImportError:
            return "uvloop is not installed"
    return ""


@contextmanager
def a_loop(kind: str) -> Iterator[Any]:
    """Make a loop, and close it."""
    loop = loop_factory("asyncio" if kind == "eager" else kind)()
    if kind == "eager":
        loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - since 3.12
    try:
        yield loop
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


@contextmanager
def a_watched_loop(kind: str, slow: float) -> Iterator[tuple[Any, Watch]]:
    """Make a loop on which whatever takes `slow` seconds is slow, and close it."""
    watch = private_watch(slow_callback_duration=slow)
    try:
        with a_loop(kind) as loop:
            loop.run_until_complete(start(watch))
            yield loop, watch
    finally:
        watch.stop()


async def start(watch: Watch) -> None:
    watch.start()
    await asyncio.sleep(0)
