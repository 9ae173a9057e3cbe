"""Stacks read from outside: C code that keeps the GIL is named while it runs, at first offence.

The toy watchdog here does what the real one does: it beats, sleeps, and takes.
"""

import asyncio
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("reading from outside needs Linux", allow_module_level=True)

from loopwatch.core.evidence import OutsideFrame, OutsideSample
from loopwatch.watchdog.outside_sampler import Outside
from tests.calm import in_calm
from tests.conftest import run_on

PERIOD = 0.05  # s between two beats
NUMBERS = list(range(8_000_000))


def power() -> int:
    x = 3
    y = x**2_500_000
    return y - y


def membership() -> bool:
    found = any([-1 in NUMBERS, -2 in NUMBERS, -3 in NUMBERS, -4 in NUMBERS, -5 in NUMBERS])
    return not found


def backtracking() -> object:
    secret = "a" * 22 + "hunter2"
    return re.match(r"(a+)+$", secret)


HELD = {power: 2, membership: 1, backtracking: 2}  # lines below `def`


def place(function: Callable[[], object]) -> OutsideFrame:
    code = function.__code__
    return OutsideFrame(code.co_name, __file__, code.co_firstlineno + HELD[function])


@contextmanager
def watchdog(outside: Outside) -> Iterator[list[OutsideSample]]:
    """Beat in a thread, and gather what comes."""
    taken: list[OutsideSample] = []
    enough = threading.Event()

    def run() -> None:
        while not enough.is_set():
            outside.beat(time.perf_counter() + PERIOD)
            taken.extend(outside.take())
            enough.wait(PERIOD)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield taken
    finally:
        enough.set()
        thread.join()


def samples_of(
    outside: Outside, loop: str, function: Callable[[], object]
) -> tuple[list[OutsideSample], float, float]:
    """Hold a loop once, and return what was seen, and from when to when it was held."""
    outside.watch_thread(threading.get_native_id())

    async def main() -> tuple[float, float]:
        await asyncio.sleep(3 * PERIOD)
        began = time.perf_counter()
        function()
        ended = time.perf_counter()
        await asyncio.sleep(3 * PERIOD)
        return began, ended

    with watchdog(outside) as taken:
        began, ended = run_on(loop, main())
    return taken, began, ended


@pytest.mark.parametrize("function", HELD)
@in_calm
def test_what_keeps_the_gil_is_named_at_its_first_offence(
    outside: Outside, loop: str, function: Callable[[], object]
) -> None:
    samples, began, ended = samples_of(outside, loop, function)
    during = [s for s in samples if began <= s.at and s.until <= ended]
    assert during
    assert {s.thread for s in during} == {threading.get_native_id()}
    assert all(s.holds_gil for s in during)
    ours = [next(f for f in s.frames if f.file == __file__) for s in during]
    assert set(ours) == {place(function)}


@in_calm
def test_another_thread_that_keeps_the_gil_is_named(outside: Outside) -> None:
    """The loop's thread is shown too: waiting for its turn."""
    outside.watch_thread(threading.get_native_id())
    culprit = threading.Thread(target=power)
    with watchdog(outside) as taken:
        time.sleep(3 * PERIOD)
        culprit.start()
        native_id = culprit.native_id
        culprit.join()
        time.sleep(3 * PERIOD)
    stacks = {s.thread: s for s in taken}
    assert stacks[native_id or 0].holds_gil
    assert stacks[native_id or 0].frames[0] == place(power)
    assert not stacks[threading.get_native_id()].holds_gil


def test_a_keep_alive_that_beats_or_rests_is_left_alone(outside: Outside, loop: str) -> None:
    outside.rest()
    time.sleep(4 * PERIOD)
    assert outside.take() == []
    assert outside.lost == {}


@in_calm
def test_nothing_but_function_file_and_line_leaves_the_helper(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[dict[str, Any]] = []
    understood = outside._understood

    def noted(message: dict[str, Any]) -> list[OutsideSample]:
        messages.append(message)
        return understood(message)

    monkeypatch.setattr(outside, "_understood", noted)
    samples_of(outside, "asyncio", backtracking)
    assert any("samples" in message for message in messages)
    assert "hunter2" not in repr(messages)
    for message in messages:
        assert message.keys() in ({"began", "ended", "samples"}, {"lost"})
        for _, _, frames in message.get("samples", ()):
            assert {len(frame) for frame in frames} == {3}
