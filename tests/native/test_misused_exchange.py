"""An exchange and its middleware, used as nobody should: they raise as Python's own would."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from .made import HTTP, a_front, a_state, speedups

if speedups is None:
    pytest.skip("the compiled twin was not built", allow_module_level=True)


def test_an_exchange_is_awaited_once() -> None:
    call = a_front()(HTTP, None, None)
    call.send(None)
    with pytest.raises(StopIteration) as ended:
        call.send(None)
    assert ended.value.value is None
    tries: list[Callable[[], Any]] = [
        lambda: call.send(None),
        lambda: next(call),
        lambda: call.throw(ValueError(1)),
    ]
    for again in tries:
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            again()
    call.close()


def test_an_exchange_is_not_resumed_within_itself() -> None:
    calls: list[Any] = []
    told = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        tries: list[Callable[[], Any]] = [
            lambda: calls[0].send(None),
            lambda: calls[0].throw(ValueError()),
            lambda: calls[0].close(),
        ]
        for again in tries:
            with pytest.raises(ValueError, match="coroutine already executing") as refused:
                again()
            told.append(refused)
        await asyncio.sleep(0)

    calls.append(a_front(app)(HTTP, None, None))
    calls[0].send(None)
    assert len(told) == 3
    with pytest.raises(StopIteration):
        calls[0].send(None)


def test_an_exchange_that_is_new_is_sent_none() -> None:
    call = a_front()(HTTP, None, None)
    with pytest.raises(TypeError, match="non-None value to a just-started coroutine"):
        call.send(1)
    call.close()


def test_an_exchange_is_thrown_into_twice() -> None:
    call = a_front()(HTTP, None, None)
    call.send(None)
    with pytest.raises(GeneratorExit):
        call.throw(GeneratorExit())
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        call.throw(GeneratorExit())


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize(
    ("thrown", "words"),
    [
        ((ValueError, ValueError(1), 5), "__traceback__ must be a traceback"),
        ((ValueError(1), 5), "no separate value"),
        ((5,), "must be an exception"),
        ((int,), "must be an exception"),
        ((None, None, None), "must be an exception"),
        ((), "at least 1 argument"),
        ((1, 2, 3, 4), "at most 3 arguments"),
    ],
)
def test_only_an_exception_is_thrown(thrown: tuple[Any, ...], words: str, begun: bool) -> None:
    call = a_front()(HTTP, None, None)
    if begun:
        call.send(None)
    with pytest.raises(TypeError, match=words):
        call.throw(*thrown)
    call.close()


def test_what_an_app_returns_is_dropped_after_a_throw_as_well() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> str:
        with pytest.raises(KeyError):
            await asyncio.sleep(0)
        return "what nobody asks for"

    call = a_front(app)(HTTP, None, None)
    call.send(None)
    with pytest.raises(StopIteration) as ended:
        call.throw(KeyError())
    assert ended.value.value is None


def test_an_exchange_shows_the_apps_coroutine_while_there_is_one() -> None:
    call = a_front()(HTTP, None, None)
    assert not hasattr(call, "cr_code")
    call.send(None)
    assert call.cr_code.co_name == "napping"
    assert call.cr_await is not None
    assert not hasattr(call, "gi_yieldfrom")
    call.close()
    assert not hasattr(call, "cr_code")


# ---------------------------------------------------------------- a middleware


def test_a_middleware_without_its_app_serves_by_python() -> None:
    front = a_front()
    call = front(HTTP, None, None)
    del front.app
    with pytest.raises(StopIteration) as ended:
        call.send(None)
    assert ended.value.value is None


def test_an_app_may_be_replaced_while_it_is_called() -> None:
    class App:
        def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
            del front.app
            return asyncio.sleep(0)

    front = a_front(App())
    call = front(HTTP, None, None)
    call.send(None)
    call.close()


def test_an_app_may_return_what_is_no_coroutine() -> None:
    for wrong in (None, 5, "text"):
        call = a_front(lambda *_, wrong=wrong: wrong)(HTTP, None, None)
        with pytest.raises(TypeError, match=r"can't be (used in 'await' expression|awaited)"):
            call.send(None)


def test_a_middleware_that_forgets_within_a_call_still_ends_it() -> None:
    state = a_state()
    state.behind = 1e18  # so that `late` is asked
    front = a_front(late=lambda *_: front.forget(), state=state)
    call = front(HTTP, None, None)
    call.send(None)
    with pytest.raises(StopIteration):
        call.send(None)
    served = front(HTTP, None, None)
    assert served.__name__ == "serve"
    served.close()


def test_a_middleware_remembers_what_it_can_use() -> None:
    front = a_front()
    with pytest.raises(TypeError):
        front.remember(None, None, "state", {}, None, print)
    with pytest.raises(TypeError):
        front.remember(None, None, a_state(), "rows", None, print)
    with pytest.raises(TypeError):
        front.remember()
