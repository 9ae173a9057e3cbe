"""Programs of a loop's scheduling methods: each callback goes on with the program, by dice.

What `call_soon` schedules has one order on any machine. A timer and what follows from it may come
anywhere between, so each timer has a journal of its own, and cancels only what is its own.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from fractions import Fraction
from typing import Any

from .called import VARIABLE, strange_callback
from .journal import Journal, text, told

DEEP = 4  # callbacks that follow from each other
MOMENTS = (-1, 10, 1e3)  # s from now; between them a loop of whole ms has no room for chance
DELAYS: tuple[Any, ...] = (*MOMENTS, 0, 0.0, 0.001, 0.002, Fraction(1, 500), True, "soon", None)
SOON = 0.003  # s: all delays are at most so long, or longer than any play
ASKED = ("cancelled", "get_context", "when", "_callback", "_run", "_loop", "no_such_attribute")


class Lineage:
    """What a timer, or the first callback of all, and those that follow from it have in common."""

    def __init__(self, script: Script, parent: Lineage | None = None) -> None:
        self.script = script
        self.children = 0
        self.name: tuple[int, ...] = ()
        if parent is not None:
            self.name = (*parent.name, parent.children)
            parent.children += 1
        self.journal = Journal()
        self.handles: list[Any] = []
        script.lineages.append(self)

    def go_on(self, seed: int, depth: int) -> Callable[..., None]:
        """Return a callback that goes on with the program."""

        def goes_on(*given: Any) -> None:
            self.journal.add("goes on", VARIABLE.get(), given)
            dice = random.Random(seed)
            for _ in range(dice.randint(0, 3 if depth else 0)):
                name = dice.choice([*STEPS])
                self.journal.add(name)
                STEPS[name](self, dice, depth - 1)

        return goes_on


class Script:
    """One program on one loop, and all that is to be told of it."""

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self.lineages: list[Lineage] = []
        self.timers: list[Any] = []
        self.main = Lineage(self)
        self.others = Journal()  # of what cannot be told to be of one lineage

    def journal_of(self, handle: Any) -> Journal:
        for lineage in self.lineages:
            if any(each is handle for each in lineage.handles):
                return lineage.journal
        return self.others


def attempt(lineage: Lineage, schedule: Callable[[], Any], timer: Lineage | None = None) -> Any:
    """Schedule something, and tell what the loop said; return its handle, which is the timer's, if
    it is for one."""
    try:
        handle = schedule()
    except Exception as error:
        lineage.journal.add("refused", type(error).__name__, text(str(error)))
        return None
    lineage.journal.add("handle", type(handle).__name__)
    (timer or lineage).handles.append(handle)
    return handle


def a_callback(lineage: Lineage, dice: random.Random, depth: int) -> Any:
    if dice.random() < 0.5:
        return lineage.go_on(dice.randrange(1 << 30), depth)
    name, callback = strange_callback(lineage.journal, dice)
    lineage.journal.add("a callback", name)
    return callback


def by_dice(dice: random.Random) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments of a callback, and the context to run it in."""
    given = tuple(range(dice.choice([0, 1, 1, 2, 9])))
    kind = dice.choice(["none", "None", "new", "copy"])
    if kind == "none":
        return given, {}
    context = {"None": lambda: None, "new": Context, "copy": copy_context}[kind]()
    if context is not None:
        context.run(VARIABLE.set, kind)
    return given, {"context": context}


# ---------------------------------------------------------------- steps of a program


def soon(lineage: Lineage, dice: random.Random, depth: int) -> None:
    callback = a_callback(lineage, dice, depth)
    given, named = by_dice(dice)
    loop = lineage.script.loop
    schedule = dice.choice([loop.call_soon, loop.call_soon, loop.call_soon_threadsafe])
    attempt(lineage, lambda: schedule(callback, *given, **named))


def later(lineage: Lineage, dice: random.Random, depth: int) -> None:
    loop, delay, timer = lineage.script.loop, dice.choice(DELAYS), Lineage(lineage.script, lineage)
    callback = a_callback(timer, dice, min(depth, 1))
    given, named = by_dice(dice)
    if dice.random() < 0.3 and delay in MOMENTS:

        def schedule() -> Any:
            return loop.call_at(loop.time() + delay, callback, *given, **named)
    else:

        def schedule() -> Any:
            return loop.call_later(delay, callback, *given, **named)

    handle = attempt(lineage, schedule, timer)
    if handle is None:
        return
    lineage.script.timers.append(handle)
    if hasattr(handle, "when"):
        lineage.journal.add("due", abs(handle.when() - loop.time() - delay) < 1)
    if isinstance(delay, int | float) and (delay > SOON or dice.random() < 0.3):
        handle.cancel()
    look_at(lineage, handle, delay)


def timers_in_order(lineage: Lineage, dice: random.Random, depth: int) -> None:
    """Timers of one callback run in the order of their delays."""
    group = Lineage(lineage.script, lineage)
    for number in range(3):
        delay, add = (number + 1) * 0.001, group.journal.add
        handle = lineage.script.loop.call_later(delay, add, number)
        lineage.script.timers.append(handle)
        group.handles.append(handle)


def cancel(lineage: Lineage, dice: random.Random, depth: int) -> None:
    if lineage.handles:
        handle = dice.choice(lineage.handles)
        handle.cancel()
        lineage.journal.add("cancelled", handle.cancelled())
        look_at(lineage, handle)


def look(lineage: Lineage, dice: random.Random, depth: int) -> None:
    if lineage.handles:
        look_at(lineage, dice.choice(lineage.handles))


def look_at(lineage: Lineage, handle: Any, delay: Any = 0) -> None:
    """Tell all that a handle tells of itself, but for a timer's due time."""
    shown = text(handle) if not hasattr(handle, "when") else ""
    has = [name for name in ASKED if hasattr(handle, name)]
    lineage.journal.add(shown, has, handle.cancelled(), handle == handle, bool(hash(handle)))
    callback = getattr(handle, "_callback", None)
    lineage.journal.add("of", type(callback).__name__)


def with_another_thread(lineage: Lineage, dice: random.Random, depth: int) -> None:
    """Schedule from a thread; in debug mode `call_soon` refuses it."""
    loop, callback = lineage.script.loop, lineage.go_on(dice.randrange(1 << 30), depth)
    schedule = dice.choice([loop.call_soon, loop.call_soon_threadsafe])
    thread = threading.Thread(target=attempt, args=(lineage, lambda: schedule(callback)))
    thread.start()
    thread.join()


def within_itself(lineage: Lineage, dice: random.Random, depth: int) -> None:
    """Run a loop that runs, or a callback within a callback."""
    loop, callback = lineage.script.loop, lineage.go_on(dice.randrange(1 << 30), depth)
    if dice.random() < 0.5:
        attempt(lineage, loop.run_forever)
    elif isinstance(loop, asyncio.BaseEventLoop):
        handle = asyncio.Handle(callback, (), loop, None)
        lineage.handles.append(handle)
        handle._run()
    else:
        callback()


def badly(lineage: Lineage, dice: random.Random, depth: int) -> None:
    """Call the loop's methods with what they do not take."""
    loop = lineage.script.loop
    bad: list[Callable[[], Any]] = [
        lambda: loop.call_soon(),
        lambda: loop.call_soon(print, no_such_name=1),
        lambda: loop.call_later(0),
        lambda: loop.call_soon(len, context=5),
    ]
    attempt(lineage, dice.choice(bad))


def raises(lineage: Lineage, dice: random.Random, depth: int) -> None:
    raise dice.choice([ValueError(lineage.go_on(0, 0).__name__), KeyError(1), StopAsyncIteration()])


def ends_the_loop(lineage: Lineage, dice: random.Random, depth: int) -> None:
    """What no loop catches; not by a timer, for who comes first is chance."""
    if lineage is lineage.script.main:
        raise dice.choice([KeyboardInterrupt("now"), SystemExit(3)])


def a_task(lineage: Lineage, dice: random.Random, depth: int) -> None:
    async def naps(times: int) -> None:
        for number in range(times):
            lineage.journal.add("naps", number)
            await asyncio.sleep(0)
        if times == 2:
            raise ValueError("after two naps")

    task = lineage.script.loop.create_task(naps(dice.randint(0, 3)))
    task.add_done_callback(lambda task: lineage.journal.add("done", told(task.exception())))


STEPS: dict[str, Callable[[Lineage, random.Random, int], None]] = {
    "soon": soon,
    "soon too": soon,
    "soon as well": soon,
    "later": later,
    "timers in order": timers_in_order,
    "cancel": cancel,
    "look": look,
    "with another thread": with_another_thread,
    "within itself": within_itself,
    "badly": badly,
    "raises": raises,
    "ends the loop": ends_the_loop,
    "a task": a_task,
}
