"""The hook for Sanic: the class's method is replaced while the server runs, and put back."""

import inspect
from functools import partial
from typing import Any

import pytest

from loopwatch.frameworks.sanic import Hook, handler_of, install
from loopwatch.frameworks.visit import middleware_for


class Base:
    """As much of `sanic.Sanic` as the hook needs."""

    def __init__(self) -> None:
        self.listeners: dict[str, Any] = {}

    def register_listener(self, listener: Any, event: str) -> None:
        self.listeners[event] = listener

    async def handle_request(self, request: Any) -> str:
        return f"answer to {request}"


def test_method_is_replaced_while_the_server_runs() -> None:
    before, source = Base.handle_request, inspect.getsource(Base.handle_request)
    app = install(Base())
    assert Base.handle_request is before
    app.listeners["before_server_start"](app, None)
    assert Base.handle_request is not before
    assert inspect.getsource(Base.handle_request) == source  # Sanic compiles it anew
    app.listeners["after_server_stop"](app, None)
    assert Base.handle_request is before


def test_method_of_a_base_stays_the_base_s() -> None:
    class Derived(Base):
        pass

    app = Derived()
    hook = Hook(app, middleware_for(None))
    hook.put()
    assert "handle_request" in vars(Derived)
    hook.put_back()
    assert "handle_request" not in vars(Derived)


def test_method_that_others_have_replaced_since_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Base, "handle_request", Base.handle_request)  # restored afterwards
    hook = Hook(Base(), middleware_for(None))
    hook.put()
    theirs = partial(Base.handle_request)
    monkeypatch.setattr(Base, "handle_request", theirs)
    hook.put_back()
    assert Base.handle_request is theirs


def test_only_applications_are_taken() -> None:
    with pytest.raises(TypeError, match=r"sanic\.Sanic, got 'app'"):
        install("app")
    with pytest.raises(TypeError, match="watch must be"):
        install(Base(), watch="yes")  # type: ignore[arg-type]


def test_endpoint_is_the_user_s_own_function() -> None:
    class Items:
        def get(self) -> None: ...

    def view() -> None: ...

    view.view_class = Items  # type: ignore[attr-defined]
    wrapped: Any = partial(print, view)
    wrapped.is_websocket = True
    assert handler_of(view, "GET") is Items.get
    assert handler_of(wrapped, "GET") is view
    assert handler_of(print, "GET") is print
