"""Objects that are kept for the next ones: who finds them by gc.get_objects() breaks nothing."""

import asyncio
import gc
from collections.abc import Callable
from contextvars import Context
from typing import Any

import pytest

from .made import HTTP, a_front, a_request, a_state, answered, kept, speedups

if speedups is None:
    pytest.skip("the compiled twin was not built", allow_module_level=True)

KEPT = 64  # of each type, at most


def scheduled() -> Any:
    """Return what stands for a callback towards a loop."""
    return speedups.timed_soon(a_state(), lambda callback: callback, 0)(print)


def suspended() -> Any:
    """Return a call of an app that is suspended."""
    call = a_front()(HTTP, None, None)
    Context().run(call.send, None)
    return call


def closed() -> Any:
    call = suspended()
    call.close()
    return call


MAKERS: dict[str, Callable[[], Any]] = {
    "Response": answered,
    "Scheduled": scheduled,
    "Exchange": closed,
    "Request": a_request,
}
MORE = MAKERS | {"suspended Exchange": suspended}


@pytest.fixture(autouse=True)
def _without_a_loop() -> None:
    """So that a front takes each call for one on the loop that it knows, which is none."""
    assert asyncio._get_running_loop() is None


@pytest.mark.parametrize("name", MAKERS)
def test_a_spare_object_can_be_asked_anything(name: str) -> None:
    """As a search for leaks does: it asks each object for its class, its attributes, its text."""
    made = [MAKERS[name]() for _ in range(5)]
    del made
    spares = kept(name)
    assert spares
    for spare in spares:
        assert not isinstance(spare, dict)
        assert not hasattr(spare, "no_such_attribute")
        assert isinstance(repr(spare), str)
        assert all(getattr(spare, each, None) is not spare for each in dir(type(spare)))
        assert all(each is not spare for each in gc.get_referents(spare))
        hash(spare)
    gc.collect()


def test_a_spare_object_cannot_be_called() -> None:
    for name in ("Response", "Scheduled"):
        made = MAKERS[name]()
        del made
        for spare in kept(name):
            if not gc.get_referents(spare):
                with pytest.raises(TypeError):
                    spare({"type": "http.response.body"})


def test_a_spare_exchange_has_been_awaited() -> None:
    made = closed()
    del made
    for spare in kept("Exchange"):
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            spare.send(None)
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            spare.throw(ValueError())
        spare.close()


@pytest.mark.parametrize("name", MORE)
def test_a_spare_object_that_somebody_holds_is_used_like_any(name: str) -> None:
    """It is taken for the next one, given back, and freed, in whatever order they let go."""
    made = [MORE[name]() for _ in range(3 * KEPT)]
    del made
    held = kept(name.rsplit(maxsplit=1)[-1])
    made = [MORE[name]() for _ in range(3 * KEPT)]
    held.clear()
    held = kept(name.rsplit(maxsplit=1)[-1])
    del made
    gc.collect()
    made = [MORE[name]() for _ in range(3 * KEPT)]
    made[0] = MORE[name]()
    del held
    del made
    gc.collect()


@pytest.mark.parametrize("room", [True, False])
def test_an_object_that_is_found_as_it_ends_can_be_kept(room: bool) -> None:
    """Its scope's own end looks at all objects, and holds them beyond it."""
    found: list[Any] = []

    class Ending:
        def __del__(self) -> None:
            found.extend(kept("Request"))

    request, others = a_request(), [a_request() for _ in range(2 * KEPT)]
    request.scope = {"type": "http", "ending": Ending()}
    if not room:
        others.clear()  # so many are kept that there is no room for one more
    del request
    assert found
    found.clear()
    others.clear()
    gc.collect()
    assert all(each.scope == {"type": "http"} for each in [a_request() for _ in range(2 * KEPT)])


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE)
def test_collections_at_any_moment_harm_nothing(name: str) -> None:
    """Also one that debugs, saves what it finds, and sees every object."""
    thresholds, flags = gc.get_threshold(), gc.get_debug()
    gc.set_threshold(1, 1, 1)
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(50):
            made = [MORE[name]() for _ in range(3)]
            made.append(made)
            del made
            gc.collect()
    finally:
        gc.set_debug(flags)
        gc.set_threshold(*thresholds)
        gc.garbage.clear()
    gc.freeze()
    gc.unfreeze()
    gc.collect()
