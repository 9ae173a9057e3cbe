"""Functions of frameworks that find the route: wrapped while a loop is watched, then put back."""

import asyncio
import inspect
import sys
from collections.abc import Iterator
from contextvars import Context
from types import ModuleType
from typing import Any

import pytest

from loopwatch.core.request import Request, begin
from loopwatch.routing.adapters import Adapter
from loopwatch.routing.hooks import LEGS, Hooks, HooksOfLoop
from loopwatch.routing.leg import Leg
from loopwatch.routing.route import place

NAME = "tests_made_framework"


class Router:
    def find(self, path: str) -> str:
        """Find it."""
        return path

    async def handle(self, path: str) -> str:
        return path


def read(router: Any, arguments: Any, result: Any) -> Leg | None:
    if arguments[0] == "broken":
        raise ValueError("broken")
    return None if arguments[0] == "unknown" else Leg(arguments[0], more="*" in arguments[0])


FOUND = Adapter("Made", NAME, "Router.find", read)
HANDLED = Adapter("Made", NAME, "Router.handle", read, False)
FIND, HANDLE = Router.find, Router.handle


@pytest.fixture
def framework() -> Iterator[None]:
    module = ModuleType(NAME)
    module.Router = Router  # type: ignore[attr-defined]
    sys.modules[NAME] = module
    yield
    del sys.modules[NAME]
    assert (Router.find, Router.handle) == (FIND, HANDLE), "all is put back"


@pytest.fixture
def hooks(framework: None) -> Iterator[Hooks]:
    made = Hooks((FOUND, HANDLED))
    made.install()
    yield made
    made.uninstall()


def routed(*paths: str, **scope: Any) -> Request:
    """Return a request for which a router found these, in turn."""

    def ask() -> Request:
        request = begin(None, {"type": "http", "method": "GET", **scope})
        for path in paths:
            assert Router().find(path) == path
        return request

    return Context().run(ask)


def test_what_a_router_finds_is_the_route(hooks: Hooks) -> None:
    assert place(routed("/users/{id}"))[:2] == ("/users/{id}", "GET")
    assert place(routed())[:2] == (None, "GET")
    assert place(routed("unknown")).route is None


def test_a_coroutine_function_stays_one(hooks: Hooks) -> None:
    async def main() -> Request:
        request = begin(None, {"type": "websocket"})
        assert await Router().handle("/live") == "/live"
        return request

    assert inspect.iscoroutinefunction(Router.handle)
    assert Router.find.__doc__ == "Find it."
    assert place(asyncio.run(main()))[:2] == ("/live", "WEBSOCKET")


def test_the_first_router_that_hands_nothing_over_has_the_last_word(hooks: Hooks) -> None:
    assert place(routed("/users/{id}", "/inner")).route == "/users/{id}"
    assert place(routed("/*", "/inner")).route == "/inner"
    assert len(routed(*(f"/{n}*" for n in range(99))).routed[2:]) == LEGS


def test_path_template_wins(hooks: Hooks) -> None:
    assert place(routed("/users/{id}", path_template="/mine")).route == "/mine"


def test_an_error_never_reaches_the_framework(
    hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    assert place(routed("broken")).route is None
    assert "error inside loopwatch" in caplog.text


def test_nothing_is_noted_outside_a_request_or_after_it(hooks: Hooks) -> None:
    assert Context().run(Router().find, "/x") == "/x"


def test_a_framework_that_is_loaded_later_is_found(framework: None) -> None:
    module = sys.modules.pop(NAME)
    hooks = Hooks((FOUND,))
    of_loop = HooksOfLoop(hooks)
    of_loop.install()
    sys.modules[NAME] = module
    request = routed("/users/{id}")
    assert of_loop.routed(request).template is None, "too late for this one"
    assert place(routed("/users/{id}")).route == "/users/{id}"
    of_loop.uninstall()
    of_loop.uninstall()


def test_the_last_loop_puts_back(framework: None) -> None:
    hooks = Hooks((FOUND,))
    first, second = HooksOfLoop(hooks), HooksOfLoop(hooks)
    first.install()
    second.install()
    first.uninstall()
    assert Router.find is not FIND
    second.uninstall()
    assert Router.find is FIND


def test_what_somebody_else_has_wrapped_since_is_left(framework: None) -> None:
    hooks = Hooks((FOUND,))
    hooks.install()
    ours = Router.find

    def theirs(self: Any, path: str) -> str:
        return ours(self, path)

    Router.find = theirs  # type: ignore[method-assign]
    hooks.uninstall()
    assert Router.find is theirs
    Router.find = FIND  # type: ignore[method-assign]


def test_other_versions_of_a_framework_are_left_alone(framework: None) -> None:
    hooks = Hooks((FOUND._replace(method="Router.gone"), FOUND._replace(method="Gone.find")))
    hooks.install()
    assert place(routed("/users/{id}")).route is None
    hooks.uninstall()


def test_no_framework_is_imported() -> None:
    hooks = Hooks()
    before = {*sys.modules}
    hooks.install()
    hooks.uninstall()
    assert {*sys.modules} == before
