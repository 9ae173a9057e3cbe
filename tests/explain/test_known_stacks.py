"""Stacks that were explained before: the same answer, without the work, and nothing kept alive."""

import gc
import linecache
import weakref
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from loopwatch.core.evidence import Sample, Slow, Spot, Usage
from loopwatch.core.record_types import Stall
from loopwatch.explain import known_stacks as known_stacks
from loopwatch.explain.advice import Adviser
from loopwatch.explain.culprit import explain
from loopwatch.explain.known_stacks import STACKS, KnownStacks
from tests.explain.test_culprit import CALLS, OTHER, at_call, compiled, off_call

USAGE = Usage(cpu=0.0, gil_wait=0.0, queued=0.0)


def slow(*spots: Spot, late: bool = False, **more: Any) -> Slow:
    samples = [Sample(10.1, late, spots, 0.0, parked=True), Sample(10.2, late, spots, 0.0)]
    given: dict[str, Any] = {"usage": USAGE, "thread": "MainThread", "duration": 0.5}
    return Slow(started=10.0, samples=samples, **given | more)


def stalled(evidence: Slow, known: KnownStacks, adviser: Adviser | None = None) -> Stall:
    found = explain(evidence, 11.0, known)
    if adviser is not None:
        assert adviser.advise(found.stall, found.gil_released, found.stack) is not None
    return found.stall


def comparable(stall: Stall) -> dict[str, Any]:
    return stall.to_dict() | {"started_at": 0.0, "advice": ""}


@pytest.mark.parametrize("late", [False, True])
def test_a_known_stack_is_explained_as_a_new_one_is(late: bool) -> None:
    known = KnownStacks()
    stacks = [
        (at_call(CALLS, 3), at_call(OTHER, 2)),
        (at_call(CALLS, 3), at_call(OTHER, 3)),
        (off_call(CALLS, 2), at_call(OTHER, 2)),
    ]
    for spots in stacks * 3:
        told = stalled(slow(*spots, late=late), known)
        assert comparable(told) == comparable(stalled(slow(*spots, late=late), KnownStacks()))


def test_of_a_known_stack_nothing_is_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[str] = []
    for name in ("site", "frames", "late_doubt"):
        real: Any = getattr(known_stacks, name)

        def counting(*args: Any, real: Any = real, name: str = name) -> Any:
            worked.append(name)
            return real(*args)

        monkeypatch.setattr(known_stacks, name, counting)
    known = KnownStacks()
    for _ in range(5):
        stalled(slow(at_call(CALLS, 3), at_call(OTHER, 2), late=True), known)
    assert sorted(worked) == ["frames", "late_doubt", "site"]
    stalled(slow(at_call(CALLS, 3), at_call(OTHER, 3), late=True), known)
    assert sorted(worked) == ["frames", "frames", "late_doubt", "late_doubt", "site", "site"]


def test_the_numbers_are_each_stall_s_own() -> None:
    known = KnownStacks()
    first = stalled(slow(at_call(CALLS, 3)), known)
    busy = Usage(cpu=0.7, gil_wait=0.0, queued=0.0)
    second = stalled(slow(at_call(CALLS, 3), usage=busy, duration=0.75, thread="other"), known)
    assert (first.duration, first.cause) == (0.5, "blocking_call")
    assert (second.duration, second.cause, second.thread) == (0.75, "cpu", "other")
    assert first.stack is second.stack


def test_the_remedy_for_a_known_call_is_remembered_by_cause(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text("import time\ndef nap():\n    time.sleep(1)\n", "utf-8")
    linecache.checkcache()
    whole = compile(file.read_text("utf-8"), str(file), "exec")
    nap = next(c for c in whole.co_consts if isinstance(c, CodeType))
    known, adviser = KnownStacks(), Adviser({"time.sleep": "Do not."})
    spot = at_call(nap, 3)
    assert stalled(slow(spot), known, adviser).advice == ""  # not known yet
    assert stalled(slow(spot), known, adviser).advice == "Do not."
    busy = Usage(cpu=0.5, gil_wait=0.0, queued=0.0)
    assert stalled(slow(spot, usage=busy), known).advice == ""


def test_the_app_s_code_is_not_kept_alive() -> None:
    known = KnownStacks()
    code = compiled("def calls():\n    value = 1\n    work(value)\n    return value", "calls")
    spot = Spot(code, at_call(CALLS, 3).instruction, 3, "shop.prices")
    for late in (False, True):
        stalled(slow(spot, late=late), known, Adviser())
    alive = weakref.ref(code)
    del code, spot
    gc.collect()
    assert alive() is None
    (stack,) = known._stacks._new.values()
    assert stack.gone


def test_another_function_at_the_same_address_is_another_stack() -> None:
    known, names = KnownStacks(), set[str]()
    for n in range(50):  # each may get the address of the one before
        name = f"calls{n}"
        code = compiled(f"def {name}():\n    value = 1\n    work(value)\n    return value", name)
        spot = Spot(code, at_call(CALLS, 3).instruction, 3, "shop.prices")
        names.add(stalled(slow(spot), known).site.function)
        del code, spot
    assert names == {f"shop.prices.calls{n}" for n in range(50)}


def test_the_same_code_in_another_module_is_another_stack() -> None:
    known, spot = KnownStacks(), at_call(CALLS, 3)
    told = [stalled(slow(spot._replace(module=m)), known).site.function for m in ("a", "b", "a")]
    assert told == ["a.calls", "b.calls", "a.calls"]


def test_only_so_many_stacks_are_remembered() -> None:
    known, spot = KnownStacks(), at_call(CALLS, 3)
    for line in range(2 * STACKS):
        known.of((spot._replace(line=line),))
    assert len(known._stacks) <= STACKS
