"""What the programs await, raise and drop: awaitables of every make, and what tells of its end."""

from __future__ import annotations

import asyncio
import random
import types
from collections.abc import AsyncGenerator, Generator
from typing import Any

from .journal import Journal


class Boom(Exception):  # noqa: N818 - it is short for what it is
    """What goes wrong in an app."""


class Unfriendly(BaseException):
    """What `except Exception` does not catch."""


class EndingError(Exception):
    """An exception that tells when nobody holds it any more: nobody must for longer than bare."""

    def __init__(self, journal: Journal) -> None:
        super().__init__("with an end")
        self.journal = journal

    def __del__(self) -> None:
        self.journal.add("the exception ends")


def thrown_by_dice(dice: random.Random) -> BaseException:
    return dice.choice(
        [
            Boom("plain"),
            Boom("with", 2, "arguments"),
            ValueError(3),
            Unfriendly("base"),
            StopIteration(5),
            StopAsyncIteration(),
            GeneratorExit("mine"),
            asyncio.CancelledError("own"),
        ]
    )


class Ending:
    """An object that tells of its end, and may raise in it."""

    def __init__(self, number: float, journal: Journal, raises: bool) -> None:
        self.number, self.journal, self.raises = number, journal, raises

    def __del__(self) -> None:
        self.journal.add("ends", self.number)
        if self.raises:
            raise Boom("in an end")


@types.coroutine
def token(value: Any) -> Generator[Any, Any, Any]:
    """Yield once, and return what comes back."""
    return (yield value)


@types.coroutine
def counting(times: int, journal: Journal) -> Generator[Any, Any, int]:
    """A coroutine by a generator, which survives a Boom."""
    for _ in range(times):
        try:
            yield None
        except Boom:
            journal.add("the generator survives")
    return times


class Ignored:
    """An awaitable that yields a few times: from a generator, or from an iterator that knows
    neither `throw` nor `close`."""

    def __init__(self, times: int, bare: bool) -> None:
        self.times, self.bare = times, bare

    def __await__(self) -> Any:
        return iter([None] * self.times) if self.bare else self.run()

    def run(self) -> Generator[None, None, int]:
        for _ in range(self.times):
            yield None
        return self.times


class Plain:
    """An awaitable that is no coroutine, around one."""

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine

    def __await__(self) -> Any:
        return self.coroutine.__await__()


async def items(count: int, journal: Journal, stubborn: bool) -> AsyncGenerator[int, None]:
    """Yield numbers; tell how it ends, and await even then if it is stubborn."""
    try:
        for number in range(count):
            await asyncio.sleep(0)
            yield number
    except GeneratorExit:
        journal.add("the items are left")
        if stubborn:
            await asyncio.sleep(0)
        raise
    finally:
        journal.add("the items end")
