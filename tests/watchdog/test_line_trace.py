"""A line trace: operators that keep the GIL are pinned to their line, with their own time alone."""

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

from loopwatch.loop.loop_state import clock
from loopwatch.watchdog import line_trace as trace
from loopwatch.watchdog.line_trace import Pinned
from loopwatch.watchdog.line_traces import LineTraces
from tests.calm import in_calm
from tests.conftest import run_on

from .offences import elsewhere, needs_monitoring, once_more, second_offence
from .offences import watch as watch
from .operators import (
    FUNCTIONS,
    assigned,
    awaited,
    awaited_deep,
    marked,
    power,
    step_that_raises,
    through_exception,
)


@needs_monitoring
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
@in_calm
def test_the_line_of_an_operator_is_pinned(function: Callable[[], Any], watch: LineTraces) -> None:
    pinned = second_offence(watch, function)
    assert pinned is not None
    assert pinned.line == marked(function.__name__)
    assert pinned.seconds > 0.005
    again = once_more(watch, function)
    assert again is not None
    assert again[:2] == pinned[:2]


class Steps:
    """Drives a coroutine and keeps its longest step."""

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine
        self.longest = (0.0, 0.0, 0.0)

    def __await__(self) -> Generator[Any, None, None]:
        while True:
            started = clock()
            try:
                waited = self.coroutine.send(None)
            except StopIteration:
                waited = self
            self.longest = max(self.longest, (clock() - started, started, clock()))
            if waited is self:
                return
            yield waited


@needs_monitoring
@pytest.mark.parametrize("function", [awaited, awaited_deep], ids=lambda f: f.__name__)
def test_suspension_is_not_time_on_a_line(function: Any, loop: str, watch: LineTraces) -> None:
    """The coroutine's own steps count, and others run in between."""

    async def main() -> tuple[Pinned | None, list[float], float]:
        here = threading.get_ident()
        await asyncio.to_thread(watch.suspect, [function.__code__], here)
        steps = Steps(function())
        await asyncio.gather(drive(steps), *(asyncio.sleep(0.1) for _ in range(3)))
        longest, started, ended = steps.longest
        pinned = await asyncio.to_thread(watch.find, started, ended, here)
        return pinned, [s.ended - s.began for s in watch._traces[here].spans], longest

    async def drive(steps: Steps) -> None:
        await steps

    pinned, spans, longest = run_on(loop, main())
    assert pinned is not None
    assert pinned.line == marked(function.__name__)
    assert max(spans) <= longest


@needs_monitoring
def test_a_step_held_by_others_is_nobody_s(watch: LineTraces) -> None:
    """Only the operator's own share counts, within that step alone."""
    assert second_offence(watch, assigned) is not None
    here, started = threading.get_ident(), clock()
    assigned()
    time.sleep(clock() - started)
    assert elsewhere(watch.find, started, clock(), here) is None
    started = clock()
    time.sleep(0.01)
    assert elsewhere(watch.find, started, clock(), here) is None
    assert elsewhere(watch.find, 0.0, clock(), here) is None
    assert elsewhere(watch.find, started, clock(), here + 1) is None


@needs_monitoring
def test_time_after_an_exception_is_not_its_line_s(watch: LineTraces) -> None:
    """The frame left without an event; what its catcher does then is not its doing."""
    here = threading.get_ident()
    elsewhere(watch.suspect, [step_that_raises.__code__, power.__code__], here)
    started = clock()
    with pytest.raises(ValueError):  # noqa: PT011
        through_exception()
    time.sleep(0.05)
    power(1)
    assert elsewhere(watch.find, started, clock(), here) is None


@needs_monitoring
def test_other_threads_are_not_watched(watch: LineTraces) -> None:
    here = threading.get_ident()
    elsewhere(watch.suspect, [assigned.__code__], here)
    started = clock()
    elsewhere(assigned)
    assert watch.find(started, clock(), here) is None
    assert watch._traces[here].left == trace.EVENTS
