"""The watchdog as a process reading, asked by other threads."""

import asyncio
import re
import threading
import time
from typing import Any

import pytest

from loopwatch.watchdog.process_reading import ProcessReader, ProcessReading
from tests.calm import in_calm
from tests.conftest import MakeWatch, run_on
from tests.watchdog.counting import backtracking, watchdogs


@in_calm
def test_who_asks_before_the_watchdog_has_read_its_clocks_is_told_of_its_wait(
    loop: str, make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is up, and has sampled C code that kept the GIL; the step has ended meanwhile."""
    watch, kept, original = make_watch(), threading.Event(), ProcessReader.look
    text = "a" * backtracking() + "b"

    def slow(self: ProcessReader, *told: Any) -> ProcessReading:
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

    monkeypatch.setattr(ProcessReader, "look", slow)
    run_on(loop, main())


def test_when_the_watchdog_asked_is_known_as_well_as_its_sleep_times_it() -> None:
    timed = ProcessReading(99.0, 1.0, 0.1, None, None, waited=0.25)
    assert timed.asked(100.0) == 99.75
    assert timed._replace(waited=None).asked(100.0) == 99.0
    assert timed._replace(waited=None, due=None).asked(100.0) == 100.0
