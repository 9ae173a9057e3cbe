"""The callbacks that a program schedules: functions, and all else that a loop calls or refuses."""

from __future__ import annotations

import functools
import operator
import random
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .awaited import Boom, Unfriendly
from .journal import Journal

VARIABLE: ContextVar[str] = ContextVar("fuzz_variable", default="unset")

Do = Callable[[], None]  # what a callback does, beyond telling that it was called


class Object:
    """Something with methods, which may be called itself."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self.tell = tell

    def method(self, *given: Any) -> None:
        self.tell("method", *given)

    def __call__(self, *given: Any) -> None:
        self.tell("object", *given)

    @staticmethod
    def nothing(*given: Any) -> None:
        """Do nothing, statically."""

    def __repr__(self) -> str:
        return "Object()"


class Slotted(Object):
    """The same without a `__dict__`, and without a name for itself."""

    __slots__ = ()
    __repr__ = object.__repr__


class Evasive(Object):
    """It breaks if it is asked for anything that it has not."""

    def __getattr__(self, name: str) -> Any:
        raise Boom(f"asked for {name}")


class Veiled(Object):
    """It does not tell its class, as a proxy that stands for nothing does."""

    @property
    def __class__(self) -> Any:
        raise Boom("asked for its class")

    @__class__.setter
    def __class__(self, other: Any) -> None:
        raise Boom("given a class")


async def coroutine_function(*given: Any) -> None:
    """What debug mode refuses, and what is called to no effect without."""


class Asynchronous:
    """An object whose call makes a coroutine."""

    async def __call__(self, *given: Any) -> None:
        return None

    async def method(self, *given: Any) -> None:
        return None


def raising(error: type[BaseException]) -> Callable[..., None]:
    def raises(*given: Any) -> None:
        raise error("by a callback")

    return raises


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*given: Any, **named: Any) -> Any:
        return function(*given, **named)

    return wrapper


def strange_callback(journal: Journal, dice: random.Random) -> tuple[str, Any]:
    """Return something to be scheduled, and its name; what it tells, it tells in its context."""

    def tell(*event: Any) -> None:
        journal.add(VARIABLE.get(), *event)

    made: dict[str, Callable[[], Any]] = {
        "function": lambda: tell,
        "lambda": lambda: lambda *given: tell("lambda", *given),
        "partial": lambda: functools.partial(tell, "partial"),
        "partial of a partial": lambda: functools.partial(functools.partial(tell, 1), 2),
        "method": lambda: Object(tell).method,
        "object": lambda: Object(tell),
        "slotted": lambda: Slotted(tell),
        "evasive": lambda: Evasive(tell),
        "veiled": lambda: Veiled(tell),
        "method of a veiled one": lambda: Veiled(tell).method,
        "static": lambda: Object.nothing,
        "builtin": lambda: journal.events.append,
        "builtin without a self": lambda: len,
        "class": lambda: Object,
        "type": lambda: dict,
        "wrapped": lambda: wrapped(tell),
        "getter": lambda: operator.attrgetter("imag"),
        "takes nothing": lambda: lambda: tell("nothing"),
        "coroutine function": lambda: coroutine_function,
        "partial of one": lambda: functools.partial(coroutine_function),
        "method of one": lambda: Asynchronous().method,
        "object of one": Asynchronous,
        "no callable": lambda: "no callable",
        "None": lambda: None,
        "raises": lambda: raising(Boom),
        "raises a base": lambda: raising(Unfriendly),
        "partial raises": lambda: functools.partial(raising(Boom), 1),
        "raises StopIteration": lambda: raising(StopIteration),
    }
    name = dice.choice(list(made))
    return name, made[name]()
