"""Plays programs of callbacks on a loop, from the outside: it is run until all timers have run."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterable
from typing import Any

from .callbacks import DEEP, SOON, Script
from .journal import text, told, undisturbed

STOPPED = 20  # times that a program may end its loop


def play_all_callbacks(seeds: Iterable[int], loop: Any) -> list[Any]:
    """Play the programs of some seeds on a loop; return what happened in each."""
    return [play_callbacks(seed, loop) for seed in seeds]


def play_callbacks(seed: int, loop: Any) -> list[Any]:
    """Play one program; return all events, by lineage."""
    dice, script = random.Random(seed), Script(loop)
    loop.set_debug(dice.random() < 0.4)

    def handler(loop: Any, context: dict[str, Any]) -> None:
        error, said = context.get("exception"), text(context.get("message"))
        script.journal_of(context.get("handle")).add("handler", said, sorted(context), told(error))

    loop.set_exception_handler(handler)
    with undisturbed(script.main.journal):
        for _ in range(3):
            loop.call_soon(script.main.go_on(dice.randrange(1 << 30), DEEP))
        settle(script)
        events = run(script)
        for timer in script.timers:
            timer.cancel()
        gc.collect(1)
    loop.set_exception_handler(None)
    loop.set_debug(False)
    return events


def settle(script: Script) -> None:
    """Stop the loop once all has run: nothing is further from its due time than `SOON`, and what
    follows from a callback is at most `DEEP` rounds away."""
    known = len(script.timers)

    def wait(rounds: int) -> None:
        if rounds:
            script.loop.call_soon(wait, rounds - 1)
        elif len(script.timers) > known:
            settle(script)
        else:
            script.loop.stop()

    if known:
        script.loop.call_later(2 * SOON, wait, 3 * DEEP)
    else:
        script.loop.call_soon(wait, 3 * DEEP)


def run(script: Script) -> list[Any]:
    """Run the loop to its end, also after what ends it early; return the events of each lineage."""
    ended = []
    for _ in range(STOPPED):
        try:
            script.loop.run_forever()
        except BaseException as error:
            ended.append(told(error))
        else:
            break
    others = sorted(script.others.events, key=repr)
    lineages = sorted(script.lineages, key=lambda lineage: lineage.name)
    return [ended, others, *((lineage.name, *lineage.journal.events) for lineage in lineages)]
