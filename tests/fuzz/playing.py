"""Plays apps as requests: each as a task of a loop, which is cancelled now and then, or by hand."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable, Iterable
from typing import Any

from loopwatch import LoopWatchMiddleware, Watch

from ..asgi import http_scope
from .awaited import Boom, Unfriendly, token
from .journal import Journal, told, undisturbed
from .programs import Program

ROUNDS = 60  # of a loop, in which most programs end
PATIENCE = 5.0  # s, for those that wait for a thread or a timer
HAND: dict[str, Callable[[Any, int], Any]] = {  # what a hand does to a coroutine
    "sends None": lambda call, number: call.send(None),
    "sends": lambda call, number: call.send(number or None),
    "throws": lambda call, number: call.throw(Boom("thrown", number)),
    "throws a base": lambda call, number: call.throw(Unfriendly("thrown")),
    "throws an exit": lambda call, number: call.throw(GeneratorExit()),
    "closes": lambda call, number: call.close(),
}


class Bare:
    """Stands where the middleware would: an app that awaits another."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


async def play_all(seeds: Iterable[int], watch: Watch | None) -> list[Any]:
    """Play the programs of some seeds; return what happened in each."""
    return [await play(seed, watch) for seed in seeds]


async def play(seed: int, watch: Watch | None) -> Any:
    """Play one program, bare without a watch; return its outcome and all events until its end."""
    dice, journal = random.Random(seed), Journal()
    by_hand = seed % 2 == 1
    program = Program(dice, journal, "hand" if by_hand else "task")
    app = program.shaped(dice)
    front = Bare(app) if watch is None else LoopWatchMiddleware(app, watch=watch)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda loop, context: journal.add(context["message"], told(context.get("exception")))
    )
    with undisturbed(journal):
        player = play_by_hand if by_hand else play_as_task
        outcome = await player(front, dice, journal)
        del program, app, front
        for _ in range(3):
            await asyncio.sleep(0)
        gc.collect(1)
    loop.set_exception_handler(None)
    return outcome, journal.events


def play_server(journal: Journal, by_hand: bool) -> tuple[Any, Any]:
    """Return the `receive` and the `send` of a server."""

    async def nap() -> None:
        await (token(None) if by_hand else asyncio.sleep(0))

    async def receive() -> Any:
        await nap()
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        journal.add("sent", message if isinstance(message, dict) else type(message).__name__)
        await nap()

    return receive, send


async def play_as_task(front: Any, dice: random.Random, journal: Journal) -> Any:
    """Play a request as a server does, and cancel it up to twice."""
    receive, send = play_server(journal, by_hand=False)
    cancels = [dice.randint(0, 12) for _ in range(dice.choice([0, 0, 1, 1, 2]))]
    task = asyncio.ensure_future(front(http_scope(), receive, send))
    for number in range(ROUNDS):
        if task.done():
            break
        if number in cancels:
            journal.add("cancelled", task.cancel(f"in round {number}"))
        await asyncio.sleep(0)
    await asyncio.wait([task], timeout=PATIENCE)
    if task.cancelled():
        return "cancelled"
    return task.done() and (told(task.exception()) or task.result())


async def play_by_hand(front: Any, dice: random.Random, journal: Journal) -> Any:
    """Resume a request as no loop does, throw into it, close it, drop it."""
    receive, send = play_server(journal, by_hand=True)
    call: Any = front(http_scope(), receive, send)
    weights, outcome = (5, 2, 1, 1, 1, 1), list[Any]()
    for number in range(dice.randint(0, 14)):
        (name,) = dice.choices(list(HAND), weights)
        outcome.append((name, play_act(HAND[name], call, number)))
    del call
    return outcome


def play_act(act: Callable[[Any, int], Any], call: Any, number: int) -> Any:
    try:
        return "yielded", act(call, number)
    except StopIteration as error:
        return "returned", error.value
    except BaseException as error:
        return told(error)
