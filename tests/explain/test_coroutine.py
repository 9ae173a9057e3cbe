"""The coroutine of a stall is the user's own, whoever called it."""

import functools
import inspect
from types import CodeType
from typing import Any

import pytest

from loopwatch.core.evidence import Sample, Slow, Spot
from loopwatch.explain.coroutine import holder
from loopwatch.explain.site import DEFAULT

LIBRARY = inspect.__file__.replace("inspect.py", "site-packages/bot/client.py")


def spot(name: str, file: str = "/app/shop.py", module: str = "shop", kind: str = "async ") -> Spot:
    code = compile(f"{kind}def {name}():\n    work()", file, "exec")
    return Spot(next(c for c in code.co_consts if isinstance(c, CodeType)), 0, 2, module)


def library(name: str) -> Spot:
    return spot(name, LIBRARY, "bot.client")


def held(*spots: Spot, endpoint: Any = None, task: str | None = None) -> str | None:
    """Return who held the loop; `spots` innermost first."""
    sample = Sample(at=1.0, late=False, spots=spots, cpu=0.0)
    sample.coroutine = task
    slow = Slow(started=0.5, duration=1.0, thread="MainThread", samples=[sample])
    return holder(slow, sample, endpoint, DEFAULT)


async def own_endpoint() -> None: ...


class OwnEndpoint:
    async def get(self) -> None: ...


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper() -> None: ...

    return wrapper


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        (own_endpoint, "own_endpoint"),
        (OwnEndpoint, "OwnEndpoint"),
        (OwnEndpoint().get, "OwnEndpoint.get"),
        (OwnEndpoint(), "OwnEndpoint"),
        (functools.partial(own_endpoint), "own_endpoint"),
        (decorated(own_endpoint), "own_endpoint"),
    ],
)
def test_an_endpoint_of_the_users_own_is_named(endpoint: Any, name: str) -> None:
    assert held(spot("inner"), library("dispatch"), endpoint=endpoint) == f"{__name__}.{name}"


@pytest.mark.parametrize("endpoint", [None, inspect.getsource, inspect.Signature])
def test_else_the_outermost_own_coroutine(endpoint: Any) -> None:
    """Between the library's, and whatever sync functions are within it."""
    stack = (spot("parse", kind=""), spot("load"), spot("on_message"), library("dispatch"))
    assert held(*stack, endpoint=endpoint, task="bot.client.dispatch") == "shop.on_message"


def test_an_own_function_where_there_is_no_own_coroutine() -> None:
    stack = (library("parse"), spot("inner", kind=""), spot("on_click", kind=""), library("run"))
    assert held(*stack, task="bot.client.run") == "shop.on_click"


def test_a_middleware_outside_the_router_merely_waits() -> None:
    router = spot("dispatch_request", LIBRARY, "quart.app")
    assert held(spot("item"), router, spot("middleware")) == "shop.item"


def test_a_library_s_only_where_nothing_own_is_on_the_stack() -> None:
    assert held(library("run"), task="bot.client.run") == "bot.client.run"
    assert held(library("run"), endpoint=inspect.getsource) == "inspect.getsource"
    assert held() is None
