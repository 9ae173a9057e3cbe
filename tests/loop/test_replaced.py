"""Methods of one loop that are replaced: by attributes, or in a class of the loop's own."""

import asyncio
from typing import Any

import pytest

from loopwatch.loop.replaced import replace, usual_class
from tests.conftest import MakeWatch, run_on

uvloop: Any = pytest.importorskip("uvloop")


@pytest.fixture
def bare() -> Any:
    loop = uvloop.new_event_loop()
    yield loop
    loop.close()


class Ours:
    """A method of ours; what it stands for only says so."""

    def __init__(self, says: str = "ours") -> None:
        self.says = says

    def __call__(self, *given: Any, **named: Any) -> str:
        return self.says

    def forget(self) -> None:
        self.says = "original"


def test_a_watched_uvloop_loop_has_no_attributes_and_looks_as_before(make_watch: MakeWatch) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        shown, before = repr(loop), type(loop)
        watch = make_watch()
        watch.start()
        assert vars(loop) == {}
        assert isinstance(loop, before)
        assert usual_class(loop) is before
        assert repr(loop) == shown
        assert type(loop).__qualname__ == before.__qualname__
        watch.stop()
        assert type(loop) is before

    run_on("uvloop", main())


def test_one_loop_does_not_change_another(bare: Any) -> None:
    other = uvloop.new_event_loop()
    replaced = replace(bare, "call_soon", Ours())
    assert bare.call_soon(print) == "ours"
    assert type(other) is uvloop.Loop
    other.call_soon(print).cancel()
    replaced.put_back()
    other.close()


def test_replacements_of_one_method_are_put_back_one_by_one(bare: Any) -> None:
    one = replace(bare, "run_forever", Ours())
    two = replace(bare, "run_forever", Ours("second"))
    assert bare.run_forever() == "second"
    two.put_back()
    assert bare.run_forever() == "ours"
    one.put_back()
    assert type(bare) is uvloop.Loop


def test_what_stands_on_the_instance_is_replaced_there(bare: Any) -> None:
    bare.call_soon = mine = lambda *given: "mine"
    replaced = replace(bare, "call_soon", Ours())
    assert bare.call_soon() == "ours"
    assert type(bare) is uvloop.Loop
    replaced.put_back()
    assert bare.call_soon is mine


def test_a_wrapper_over_ours_stays_when_ours_goes_and_ours_passes_on(bare: Any) -> None:
    replaced = replace(bare, "call_soon", Ours())
    inner = bare.call_soon
    over: Any = lambda *given: (inner(*given), "over")  # noqa: E731
    bare.call_soon = over
    replaced.put_back()
    assert type(bare) is uvloop.Loop
    assert bare.call_soon is over
    assert bare.call_soon() == ("original", "over")
    del bare.call_soon
    bare.call_soon(print).cancel()


def test_a_class_that_others_have_derived_from_ours_stays(bare: Any) -> None:
    replaced = replace(bare, "call_soon", Ours())
    theirs: Any = type("Theirs", (type(bare),), {"__slots__": ()})
    bare.__class__ = theirs
    replaced.put_back()
    assert type(bare) is theirs
    bare.call_soon(print).cancel()


def test_a_class_of_somebody_else_is_not_derived_from() -> None:
    derived = list[Any]()
    hook = {"__init_subclass__": classmethod(derived.append)}
    mine: Any = type("Mine", (uvloop.Loop,), hook)
    loop: Any = mine()
    replaced = replace(loop, "call_soon", Ours())
    assert type(loop) is mine
    assert loop.call_soon(print) == "ours"
    replaced.put_back()
    assert vars(loop) == {}
    assert derived == []
    loop.close()
