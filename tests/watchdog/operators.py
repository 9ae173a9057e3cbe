"""Functions whose operators keep the GIL, and the lines on which they do."""

import asyncio
import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Generator, Iterator
from types import CodeType
from typing import Any

import pytest

N = 300_000  # 3**N takes some 20 ms and keeps the GIL
BIG = [*range(1000)] * 2000  # Python 3.14 looks through 400,000 in a millisecond


def own(code: CodeType) -> bool:
    return code.co_filename == __file__


def marked(name: str) -> int:
    """Return the number of the line of this file that ends with a mark."""
    source = inspect.getsource(sys.modules[__name__]).splitlines()
    return next(i for i, line in enumerate(source, 1) if line.endswith(f"# @{name}"))


def assigned() -> int:
    before = 1
    x = 3**N  # @assigned
    return before + (x is None)


def returned() -> Any:
    return power(N)


def power(n: int) -> Any:
    n += 0
    return 3**n  # @returned


def compared() -> int:
    if -1 in BIG or -2 in BIG:  # @compared
        return 1
    return 0


def comprehended() -> list[int]:
    return [3**n for n in (N, 1)]  # @comprehended


def generated() -> Any:
    return any(
        3**n == 0  # @generated
        for n in (N, 1)
    )


def by_lambda() -> list[int]:
    return sorted([N, 1], key=lambda n: 3**n)  # @by_lambda


def looped() -> None:
    n = 2
    while n:
        3**N  # @looped
        n -= 1


def nested() -> Any:
    def inside() -> Any:
        x = 3**N  # @nested
        return x & 1

    return inside()


def over_lines() -> dict[str, int]:
    return {
        "a": 1,
        "b": 3**N,  # @over_lines
        "c": len("c"),
    }


def raised() -> None:
    with contextlib.suppress(ValueError):
        refused()


def refused() -> None:
    if -1 in BIG or -2 in BIG:  # @raised
        return
    raise ValueError


def four_deep() -> Any:
    return three_deep()


def three_deep() -> Any:
    for _ in range(2):
        pass
    return Thing().two_deep()


class Thing:
    def __init__(self, n: int = 0) -> None:
        self.power = 3**n  # @constructed

    def two_deep(self) -> Any:
        return power_deep(n=N)

    def __contains__(self, n: int) -> Any:
        return 3**n == 0  # @contained

    def __call__(self, n: int) -> Any:
        return 3**n  # @thing_called

    @property
    def heavy(self) -> Any:
        return 3**N  # @property_read


def power_deep(n: int) -> Any:
    return 3**n  # @four_deep


def constructed() -> None:
    Thing(N)


def contained() -> Any:
    thing = Thing()
    return N in thing


def thing_called() -> Any:
    thing = Thing()
    return thing(N)


def property_read() -> Any:
    return Thing().heavy


def starred() -> Any:
    args = (N,)
    return power_of_star(*args)


def power_of_star(n: int) -> Any:
    return 3**n  # @starred


def in_partial() -> Any:
    return functools.partial(power_of_partial, N)()


def power_of_partial(n: int) -> Any:
    return 3**n  # @in_partial


def mapped() -> list[int]:
    return list(map(power_of_map, [N]))


def power_of_map(n: int) -> Any:
    return 3**n  # @mapped


def iterated() -> int:
    count = 0
    for _ in yielding():
        count += 1
    return count


def yielding() -> Iterator[int]:
    yield 1
    3**N  # @iterated
    yield 2


FUNCTIONS: list[Callable[[], Any]] = [
    *(assigned, returned, compared, comprehended, generated, by_lambda, looped, nested),
    *(over_lines, raised, four_deep, constructed, contained, thing_called, property_read),
    *(starred, in_partial, mapped, iterated),
]


async def awaited() -> Any:
    await asyncio.sleep(0)
    x = 3 ** (await later(N))  # @awaited
    await asyncio.sleep(0)
    return x & 1


async def later(n: int) -> int:
    await asyncio.sleep(0)
    return n


async def awaited_deep() -> None:
    await asyncio.sleep(0)
    await deep()


async def deep() -> None:
    await asyncio.sleep(0)
    3 ** len("x" * N)  # @awaited_deep
    await asyncio.sleep(0)


def through_exception() -> None:
    step_that_raises()


def step_that_raises() -> None:
    raise ValueError


def busy() -> int:
    total = 0
    for n in range(2000):
        total += n
    return total


def varied(n: int) -> int:
    total = sum(i for i in range(n)) + sum(counted(n))
    for _ in counted(3):
        total += 1
    try:
        through_exception()
    except ValueError:
        total += 1
    generator = counted(2)
    next(generator)
    with pytest.raises(KeyError):
        generator.throw(KeyError)
    return total + (2 in Thing())


def counted(n: int) -> Generator[int, None, None]:
    for i in range(n):
        yield i * 2
    yield from range(2)
