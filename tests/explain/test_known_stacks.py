"""Stacks that were explained before: the same answer, without the work, and nothing kept alive."""

import gc
import linecache
import weakref
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

from loopwatch.core.evidence import Sample, Slow, Spot, Usage
from loopwatch.core.record_types import Stall
from loopwatch.core.stack import Stack
from loopwatch.explain import advice, safe_stall
from loopwatch.explain.advice import Adviser
from loopwatch.explain.culprit import explain
from loopwatch.explain.site import SiteRules
from tests.explain.calls import CALLS, OTHER, at_call, compiled, off_call

IDLE = Usage(cpu=0.0, gil_wait=0.0, queued=0.0)
BUSY = Usage(cpu=0.7, gil_wait=0.0, queued=0.0)


def slow(*spots: Spot, late: bool = False, known: bool = True, **more: Any) -> Slow:
    """Return a slow step with stack samples that can be known, or cannot."""
    seen = Stack(spots) if known else spots
    samples = [Sample(10.1, late, seen, 0.0, parked=True), Sample(10.2, late, seen, 0.0)]
    given: dict[str, Any] = {"usage": IDLE, "thread": "MainThread", "duration": 0.5}
    return Slow(started=10.0, samples=samples, **given | more)


def stalled(evidence: Slow, rules: SiteRules | None = None) -> Stall:
    return explain(evidence, 11.0, rules or SiteRules()).stall


def counted(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[Any]:
    """Return a list to which each call of a function is added from now on."""
    calls: list[Any] = []
    real = getattr(module, name)

    def counting(given: Any) -> Any:
        calls.append(given)
        return real(given)

    monkeypatch.setattr(module, name, counting)
    return calls


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("usage", [IDLE, BUSY])
def test_a_known_stack_is_explained_as_a_new_one_is(late: bool, usage: Usage) -> None:
    stacks = [
        (at_call(CALLS, 3), at_call(OTHER, 2)),
        (at_call(CALLS, 3), at_call(OTHER, 3)),
        (off_call(CALLS, 2), at_call(OTHER, 2)),
        (at_call(CALLS, 3)._replace(module="fastapi.routing"), at_call(OTHER, 2)),
        (at_call(CALLS, 3)._replace(module="uvicorn.main"),),
    ]
    for spots in stacks * 3:
        told = (stalled(slow(*spots, late=late, usage=usage, known=k)) for k in (True, False))
        first, second = (stall.to_dict() | {"started_at": 0.0} for stall in told)
        assert first == second


def test_the_numbers_are_each_stall_s_own() -> None:
    first = stalled(slow(at_call(CALLS, 3)))
    second = stalled(slow(at_call(CALLS, 3), usage=BUSY, duration=0.75, thread="other"))
    assert (first.duration, first.cause) == (0.5, "blocking_call")
    assert (second.duration, second.cause, second.thread) == (0.75, "cpu", "other")
    assert first.stack is second.stack


def test_other_rules_have_another_site() -> None:
    spots = at_call(CALLS, 3)._replace(module="uvicorn.main"), at_call(OTHER, 2)
    told = [stalled(slow(*spots), SiteRules(names)) for names in ((), ("uvicorn",), ())]
    assert [stall.site.function for stall in told] == [
        "shop.prices.other",
        "uvicorn.main.calls",
        "shop.prices.other",
    ]


def test_of_a_known_stack_nothing_is_made_safe_again(monkeypatch: pytest.MonkeyPatch) -> None:
    worked = counted(monkeypatch, safe_stall, "frames")
    spot = at_call(compiled("def calls():\n    a = 1\n    work(a)\n    return a", "calls"), 3)
    for _ in range(5):
        stalled(slow(spot, late=True))
    assert len(worked) == 1


def test_the_advice_for_a_known_call_is_remembered_by_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "shop.py"
    file.write_text("import time\ndef nap():\n    time.sleep(1)\n", "utf-8")
    linecache.checkcache()
    whole = compile(file.read_text("utf-8"), str(file), "exec")
    nap = next(c for c in whole.co_consts if isinstance(c, CodeType))
    worked = counted(monkeypatch, advice, "HeldCall")
    adviser, spot = Adviser({"time.sleep": "Do not."}), at_call(nap, 3)
    for _ in range(3):
        assert adviser.advise(stalled(slow(spot))) == "Do not."
    assert len(worked) == 1
    starved = Usage(cpu=0.0, gil_wait=0.0, queued=0.5)
    told = adviser.advise(stalled(slow(spot, usage=starved)))
    assert told not in ("", "Do not.")
    assert len(worked) == 2


def test_the_app_s_code_is_not_kept_alive() -> None:
    code = compiled("def calls():\n    value = 1\n    work(value)\n    return value", "calls")
    spot = Spot(code, at_call(CALLS, 3).instruction, 3, "shop.prices")
    for late in (False, True):
        for usage in (IDLE, BUSY):
            Adviser().advise(stalled(slow(spot, late=late, usage=usage)))
    alive = weakref.ref(code)
    del code, spot
    gc.collect()
    assert alive() is None


def test_another_function_at_the_same_address_is_another_stack() -> None:
    names = set[str]()
    for n in range(50):  # each may get the address of the one before
        name = f"calls{n}"
        code = compiled(f"def {name}():\n    value = 1\n    work(value)\n    return value", name)
        spot = Spot(code, at_call(CALLS, 3).instruction, 3, "shop.prices")
        names.add(stalled(slow(spot)).site.function)
        del code, spot
    assert names == {f"shop.prices.calls{n}" for n in range(50)}
