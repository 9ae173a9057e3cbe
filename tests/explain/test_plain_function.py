"""A plain function that a coroutine calls could be made one; what a library calls could not."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import cached_property
from types import FrameType

import pytest

from loopwatch.core.evidence import Spot
from loopwatch.core.stack import Stack
from loopwatch.explain.plain_function import could_await
from loopwatch.explain.site import DEFAULT


def seen() -> bool:
    """Return what is found of the caller, as if it were the site."""
    here: FrameType | None = sys._getframe(1)
    spots: list[Spot] = []
    while here is not None:
        spots.append(Spot.of(here))
        here = here.f_back
    return could_await(Stack(spots), DEFAULT)


KEYS: list[bool] = []


def helper(_: object = None) -> bool:
    KEYS.append(seen())
    return KEYS[-1]


def outer() -> bool:
    return helper()


def each() -> Iterator[bool]:
    yield seen()


class Store:
    def load(self, _: object) -> bool:
        return seen()

    @property
    def rows(self) -> bool:
        return seen()

    @cached_property
    def kept(self) -> bool:
        return seen()


STORE = Store()


async def by_name() -> bool:
    return helper()


async def through_another() -> bool:
    return outer()


async def a_method() -> bool:
    return STORE.load(
        1,
    )


async def a_method_of_what_a_call_returns() -> bool:
    return Store().load(1)


async def given_to_another_call() -> bool:
    return next(map(STORE.load, [bool(helper(1))]))


async def itself() -> bool:
    return seen()


async def a_key() -> bool:
    return max([1], key=lambda one: helper(one)) != 1 or KEYS[-1]


async def for_c_code() -> bool:
    return next(map(helper, [1]))


async def a_property() -> bool:
    return STORE.rows


async def a_generator() -> bool:
    for one in each():
        return one
    return True


async def a_callback() -> bool:
    found: list[bool] = []
    asyncio.get_running_loop().call_soon(lambda: found.append(helper()))
    await asyncio.sleep(0)
    return found[0]


def kept() -> bool:
    return Store().kept


CASES: dict[Callable[[], Awaitable[bool]], bool] = {
    by_name: True,
    through_another: True,
    a_method: True,
    a_method_of_what_a_call_returns: True,
    given_to_another_call: False,
    itself: False,
    a_key: False,
    for_c_code: False,
    a_property: False,
    a_generator: False,
    a_callback: False,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_what_could_be_awaited_where_it_is_called(case: Callable[[], Awaitable[bool]]) -> None:
    async def main() -> bool:
        return await case()

    assert asyncio.run(main()) == CASES[case]


def test_without_a_coroutine_nothing_could() -> None:
    assert not outer()
    assert not kept()
