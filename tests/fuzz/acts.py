"""The acts of an async app: what it awaits, raises, catches, drops, sends and nests."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .awaited import (
    Boom,
    Ending,
    EndingError,
    Ignored,
    counting,
    items,
    thrown_by_dice,
    token,
)
from .journal import Journal, told

if TYPE_CHECKING:
    from .programs import Program

Act = Callable[["Scene"], Awaitable[None]]


class Scene(NamedTuple):
    """What an act has at hand."""

    journal: Journal
    dice: random.Random
    scope: Any
    receive: Any
    send: Any
    inner: Program | None  # of acts that nest one

    async def play_inner(self) -> Any:
        assert self.inner is not None
        return await self.inner.run(self.scope, self.receive, self.send)


class Kind(NamedTuple):
    """An act that programs are made of."""

    play: Act
    weight: int
    nests: bool
    where: str  # "task", "hand" or "both": whether it needs a loop, or must have none


ACTS: dict[str, Kind] = {}


def act(weight: int = 1, nests: bool = False, where: str = "both") -> Callable[[Act], Act]:
    """Make an async function one of the acts."""

    def register(function: Any) -> Any:
        ACTS[function.__name__] = Kind(function, weight, nests, where)
        return function

    return register


# ---------------------------------------------------------------- what is awaited


@act(3)
async def awaits_a_token(scene: Scene) -> None:
    scene.journal.add("resumed with", await token(None))


@act(3, where="task")
async def sleeps(scene: Scene) -> None:
    await asyncio.sleep(0)


@act()
async def awaits_a_generator(scene: Scene) -> None:
    scene.journal.add(await counting(scene.dice.randint(0, 3), scene.journal))


@act(2)
async def awaits_an_object(scene: Scene) -> None:
    scene.journal.add(await Ignored(scene.dice.randint(0, 3), bare=scene.dice.random() < 0.5))


@act(where="task")
async def leaves_an_async_generator(scene: Scene) -> None:
    generator = items(3, scene.journal, stubborn=scene.dice.random() < 0.3)
    async for item in generator:
        if item == 1:
            break
    if scene.dice.random() < 0.5:
        await generator.aclose()
    del generator


@act()
async def awaits_a_coroutine_twice(scene: Scene) -> None:
    async def once() -> None:
        return None

    coroutine = once()
    await coroutine
    try:
        await coroutine
    except RuntimeError as error:
        scene.journal.add("refused", str(error))


# ---------------------------------------------------------------- what is raised, and what ends


@act()
async def raises(scene: Scene) -> None:
    raise thrown_by_dice(scene.dice)


@act()
async def drops_an_object(scene: Scene) -> None:
    Ending(scene.dice.random(), scene.journal, raises=scene.dice.random() < 0.3)


@act()
async def keeps_an_object(scene: Scene) -> None:
    kept = scene.scope.setdefault("kept", [])
    kept.append(Ending(scene.dice.random(), scene.journal, raises=False))


@act()
async def raises_what_tells_of_its_end(scene: Scene) -> None:
    raise EndingError(scene.journal)


# ---------------------------------------------------------------- what is sent and received


@act(2)
async def starts_the_response(scene: Scene) -> None:
    await scene.send({"type": "http.response.start", "status": 200, "headers": []})


@act(2)
async def sends_a_body(scene: Scene) -> None:
    more = scene.dice.random() < 0.5
    await scene.send({"type": "http.response.body", "body": b"x", "more_body": more})


@act()
async def sends_what_is_odd(scene: Scene) -> None:
    body = "http.response.body"
    odd: list[Any] = [
        {},
        {"type": None},
        {"type": 3},
        {"type": body},
        {"type": body, "more_body": 0},
        {"type": body, "more_body": [1]},
        {1: 2, "body": b"", "more_body": False, "headers": [], "status": 200, "type": body},
        functools.partial(dict),
    ]
    await scene.send(scene.dice.choice(odd))


@act()
async def sends_badly(scene: Scene) -> None:
    bad: list[Callable[[], Any]] = [
        lambda: scene.send(),
        lambda: scene.send(1, 2),
        lambda: scene.send(no_such_name=1),
    ]
    try:
        await scene.dice.choice(bad)()
    except TypeError as error:
        scene.journal.add("refused", str(error))


@act(where="task")
async def receives(scene: Scene) -> None:
    scene.journal.add("received", await scene.receive())


@act()
async def looks_at_send(scene: Scene) -> None:
    send = scene.send
    names = sorted(each for each in ("__name__", "__self__", "nothing") if hasattr(send, each))
    scene.journal.add(callable(send), asyncio.iscoroutinefunction(send), names)


# ---------------------------------------------------------------- programs within programs


@act(2, nests=True)
async def nests(scene: Scene) -> None:
    scene.journal.add("returned", await scene.play_inner())


@act(nests=True)
async def catches(scene: Scene) -> None:
    try:
        await scene.play_inner()
    except Boom as error:
        scene.journal.add("caught", told(error))
    except asyncio.CancelledError as error:
        scene.journal.add("cancelled", told(error))
        raise


@act(nests=True)
async def swallows(scene: Scene) -> None:
    try:
        await scene.play_inner()
    except GeneratorExit:
        raise
    except BaseException as error:
        scene.journal.add("swallowed", told(error))


@act(nests=True)
async def cleans_up(scene: Scene) -> None:
    try:
        await scene.play_inner()
    finally:
        scene.journal.add("cleans up")
        if scene.dice.random() < 0.5:
            await token(None)
        if scene.dice.random() < 0.2:
            raise Boom("while cleaning up")


@act(nests=True)
async def nests_within_a_handler(scene: Scene) -> None:
    try:
        raise KeyError("outer")
    except KeyError:
        await scene.play_inner()


@act(nests=True, where="hand")
async def ignores_its_end(scene: Scene) -> None:
    try:
        await scene.play_inner()
    except GeneratorExit:
        scene.journal.add("ignored")
        await token(None)


@act(nests=True, where="task")
async def makes_a_task(scene: Scene) -> None:
    task = asyncio.ensure_future(scene.play_inner())
    if scene.dice.random() < 0.4:
        await asyncio.sleep(0)
        scene.journal.add("cancels", task.cancel())
    results: Any = await asyncio.gather(task, return_exceptions=True)
    error = results[0] if isinstance(results[0], BaseException) else None
    scene.journal.add("gathered", told(error) if error else results[0])


@act(nests=True, where="task")
async def shields(scene: Scene) -> None:
    task = asyncio.ensure_future(scene.play_inner())
    try:
        await asyncio.shield(task)
    finally:
        await asyncio.gather(task, return_exceptions=True)


@act(nests=True, where="task")
async def has_a_timeout(scene: Scene) -> None:
    try:
        async with asyncio.timeout(0 if scene.dice.random() < 0.5 else 10):
            await scene.play_inner()
    except TimeoutError as error:
        scene.journal.add("timed out", told(error))
