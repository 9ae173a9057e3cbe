"""What successive stack samples show: code that moves on, and loops whose awaits never suspend."""

import asyncio
import dis
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest

from loopwatch.core.evidence import Sample, Slow, Spot
from loopwatch.explain.observation import NOTHING, awaiting_loops, goes_back, observe, released
from loopwatch.explain.site import DEFAULT


def work(item: object) -> str:
    return json.dumps([item] * 50)


async def ready(item: object) -> object:
    return item


async def goes_round() -> None:
    end = time.perf_counter() + 0.6
    while time.perf_counter() < end:
        work(await ready(1))


async def has_no_await() -> None:
    end = time.perf_counter() + 0.6
    while time.perf_counter() < end:
        work(1)


async def works_after_its_await() -> None:
    await ready(1)
    work(1)


async def numbers() -> AsyncIterator[int]:
    for n in range(3):
        yield n


async def iterates() -> None:
    async for n in numbers():
        work(n)


def where(thread: int, stop: object) -> tuple[Spot, ...]:
    frame: FrameType | None = sys._current_frames().get(thread)
    spots = []
    while frame is not None and frame.f_code is not stop:
        module = str(frame.f_globals["__name__"])
        spots.append(Spot(frame.f_code, frame.f_lasti, frame.f_lineno or 0, module))
        frame = frame.f_back
    return tuple(spots)


def seen(step: Callable[[], Awaitable[None]], looks: int = 40) -> list[Sample]:
    """Return stack samples of a coroutine that is stepped once."""
    samples: list[Sample] = []

    def step_once() -> None:
        asyncio.run(step())  # type: ignore[arg-type]

    thread = threading.Thread(target=step_once)
    thread.start()
    code = getattr(step, "__code__")  # noqa: B009
    while thread.is_alive() and len(samples) < looks:
        spots = where(thread.ident or 0, None)
        index = next((n for n, spot in enumerate(spots) if spot.code is code), None)
        if index is not None:
            samples.append(Sample(time.perf_counter(), False, spots[: index + 1], 0.0))
        time.sleep(0.01)
    thread.join()
    return samples


def never_suspends(step: Callable[[], Awaitable[None]], cause: str = "cpu") -> bool | None:
    slow = Slow(0.0, 0.6, "MainThread", samples=seen(step))
    return observe(slow, cause, DEFAULT).never_suspends


def test_a_coroutine_that_goes_round_a_loop_without_suspending() -> None:
    """Most looks meet it in `work`, some where it awaits; then it has gone back."""
    assert never_suspends(goes_round) is not False


def test_a_loop_that_was_not_gone_round_is_not_said_to_be() -> None:
    assert never_suspends(has_no_await) is False


def samples_at(code: Any, *instructions: int) -> list[Sample]:
    return [
        Sample(n / 10, False, (Spot(code, at, 1, __name__),), 0.0)
        for n, at in enumerate(instructions)
    ]


@pytest.mark.parametrize(
    ("places", "told"), [((0, 2, 0), True), ((0, 0, 0), None), ((0, 2, 4), None)]
)
def test_going_back_tells_that_it_went_round(places: tuple[int, ...], told: bool | None) -> None:
    code = goes_round.__code__
    ((start, end),) = awaiting_loops(code)
    within = [min(start + 2 * place, end) for place in places]
    slow = Slow(0.0, 0.6, "MainThread", samples=samples_at(code, *within))
    assert observe(slow, "cpu", DEFAULT).never_suspends is told


def test_the_first_look_may_be_before_the_loop() -> None:
    code = goes_round.__code__
    ((start, end),) = awaiting_loops(code)
    slow = Slow(0.0, 0.6, "MainThread", samples=samples_at(code, 2, end, start, end))
    assert observe(slow, "cpu", DEFAULT).never_suspends is True
    outside = Slow(0.0, 0.6, "MainThread", samples=samples_at(code, 2, 2, end))
    assert observe(outside, "cpu", DEFAULT).never_suspends is False


@pytest.mark.parametrize(
    ("function", "loops"),
    [(goes_round, 1), (has_no_await, 0), (works_after_its_await, 0), (iterates, 1)],
)
def test_loops_with_an_await_are_found_in_the_code(
    function: Callable[[], Awaitable[None]], loops: int
) -> None:
    """The jumps with which an await itself waits are no loops."""
    assert len(awaiting_loops(getattr(function, "__code__"))) == loops  # noqa: B009


def test_where_a_call_waited_there_is_nothing_to_say() -> None:
    slow = Slow(0.0, 0.6, "MainThread", samples=samples_at(goes_round.__code__, 0, 2))
    assert observe(slow, "blocking_call", DEFAULT) == NOTHING


def test_one_look_tells_neither_python_from_c_nor_the_reverse() -> None:
    (one,) = samples_at(has_no_await.__code__, 0)
    assert released([one]) is None
    assert released([one, one]) is False  # no call stands there
    assert released([]) is None


def test_python_code_met_on_its_calls_is_not_taken_for_c() -> None:
    """Twice on the same call may be chance; three times is not said of two calls."""
    calls = calls_of(work)
    assert released(samples_at(work.__code__, *[calls[0]] * 2)) is None
    assert released(samples_at(work.__code__, *[calls[0]] * 3)) is True


def test_a_loop_of_short_calls_has_the_gil_as_it_is_asked_for() -> None:
    """It is met on the same call each time, as a call without the GIL is; that gives it at once."""
    samples = samples_at(work.__code__, *[calls_of(work)[0]] * 3)
    kept = [replace(s, free=False) for s in samples]
    assert released([replace(s, free=True) for s in samples]) is True
    assert released(kept) is False
    assert released(kept, alone=False) is None  # another thread may have had it
    assert released([*kept[:1], *(replace(s, free=True) for s in samples[1:])]) is True


def calls_of(function: Callable[..., object]) -> list[int]:
    code = dis.get_instructions(getattr(function, "__code__"))  # noqa: B009
    return [i.offset for i in code if i.opname == "CALL"]


def test_going_back() -> None:
    assert goes_back([4, 2])
    assert not goes_back([2, 4, 4])
    assert not goes_back([])
