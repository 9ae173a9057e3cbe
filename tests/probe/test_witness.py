"""The watchdog as a witness, asked by other threads."""

import asyncio
import re
import threading
import time
from typing import Any

import pytest

from loopwatch.probe.witness import Observer, Witness

from ..calm import in_calm
from ..conftest import MakeWatch, run_on
from .test_watchdog import backtracking, watchdogs


@in_calm
def test_who_asks_before_the_watchdog_has_read_its_clocks_is_told_of_its_wait(
    loop: str, make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is up, and has photographed C code that kept the GIL; the step has ended meanwhile."""
    watch, kept, original = make_watch(), threading.Event(), Observer.look
    text = "a" * backtracking() + "b"

    def slow(self: Observer, *told: Any) -> Witness:
        if kept.is_set() and threading.current_thread() in watchdogs():
            time.sleep(0.02)
        return original(self, *told)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.1)
        kept.set()
        re.match(r"(a+)+$", text)
        await asyncio.sleep(0)
        assert [stall.cause for stall in watch.stalls] == ["native_gil"]

    monkeypatch.setattr(Observer, "look", slow)
    run_on(loop, main())
