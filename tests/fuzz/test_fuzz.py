"""Some hundred random programs a loop: watched, each does to the letter what it does bare."""

import random
from contextlib import ExitStack
from typing import Any

import pytest

from loopwatch.core import guard
from loopwatch.core.speedups import speedups

from . import playing
from .acts import ACTS
from .comparing import PLAYS, differences, is_event
from .playing import Bare, play_all
from .playing_callbacks import play_all_callbacks
from .stage import KINDS, a_loop, missing

SEEDS = {"requests": 400, "callbacks": 100}  # most of the latter wait for timers
MILLISECOND, NEVER = 0.001, 10.0  # s that are slow: here and there a step is, or none


@pytest.mark.parametrize("slow", [MILLISECOND, NEVER])
@pytest.mark.parametrize("play", PLAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_watched_does_the_same(kind: str, play: str, slow: float) -> None:
    if why := missing(kind):
        pytest.skip(why)
    if speedups is None:
        pytest.skip("Python's twin shows in tracebacks, and in what wrong arguments raise")
    told = {**guard._told}
    assert differences(PLAYS[play], kind, range(SEEDS[play]), slow) == []
    assert guard._told == told


def test_programs_of_one_seed_are_one() -> None:
    with a_loop("asyncio") as loop:
        first, second = (loop.run_until_complete(play_all(range(50), None)) for _ in range(2))
    assert first == second
    assert len({repr(each) for each in first}) > 40


def test_all_acts_are_played() -> None:
    with a_loop("asyncio") as loop:
        plays = loop.run_until_complete(play_all(range(SEEDS["requests"]), None))
        calls = play_all_callbacks(range(SEEDS["callbacks"]), loop)
    played = {event[0] for _, events in plays for event in events}
    assert played >= {*ACTS, "unraisable", "caught", "timed out", "cancelled", "sent"}
    assert any(ended for ended, *_ in calls)
    lineages = [lineage for _, _, *lineages in calls for lineage in lineages]
    called = {event[0] for _, *events in lineages for event in events if is_event(event)}
    assert called >= {"handler", "refused", "cancelled", "naps", "goes on", "due"}


class Meddling(Bare):
    """A middleware that is felt: it holds what it has sent until the request has ended."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        kept = []

        async def sending(message: Any) -> None:
            kept.append(message)
            await send(message)

        await self.app(scope, receive, sending)


def test_a_middleware_that_is_felt_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "LoopWatchMiddleware", lambda app, watch: Meddling(app))
    found = differences(PLAYS["requests"], "asyncio", range(100), NEVER)
    assert len(found) > 3
    assert "seed" in str(found[0])


def test_callbacks_that_are_held_up_are_found() -> None:
    """Another order, by a loop that schedules one time in ten a round later."""
    with ExitStack() as stack:
        bare, other = (stack.enter_context(a_loop("asyncio")) for _ in range(2))
        soon, dice = other.call_soon, random.Random(1)

        def call_soon(callback: Any, *given: Any, **named: Any) -> Any:
            if dice.random() < 0.1:
                return soon(lambda: soon(callback, *given, **named), context=named.get("context"))
            return soon(callback, *given, **named)

        other.call_soon = call_soon
        plays = [play_all_callbacks(range(40), loop) for loop in (bare, other)]
    assert sum(one != another for one, another in zip(*plays, strict=True)) > 10
