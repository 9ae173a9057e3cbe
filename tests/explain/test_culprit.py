"""From evidence to a stall: photographs weighed, made by hand."""

import dis
import sys
import time
from types import CodeType
from typing import Any

import pytest

from loopwatch.evidence import Sample, Slow, Spot
from loopwatch.explain.culprit import explain
from loopwatch.records import NONE, Stall


def compiled(source: str, name: str, module: str = "shop.prices") -> CodeType:
    code = compile(source, f"/app/{module.replace('.', '/')}.py", "exec")
    return next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)


CALLS = compiled("def calls():\n    value = 1\n    work(value)\n    return value", "calls")
OTHER = compiled("def other():\n    work()\n    rest()", "other")


def at_call(code: CodeType, line: int) -> Spot:
    """Return a spot on the call in that line."""
    instruction = next(
        i.offset
        for i in dis.get_instructions(code)
        if i.opname.startswith("CALL") and i.positions is not None and i.positions.lineno == line
    )
    return Spot(code, instruction, line, "shop.prices")


def off_call(code: CodeType, line: int) -> Spot:
    return Spot(code, 0, line, "shop.prices")


def sample(*spots: Spot, at: float = 10.1, late: bool = False, cpu: float = 1.0) -> Sample:
    return Sample(at=at, late=late, spots=spots, cpu=cpu)


def slow(*samples: Sample, **more: Any) -> Slow:
    values: dict[str, Any] = {"started": 10.0, "duration": 0.5, "thread": "MainThread"}
    return Slow(**values | more, samples=list(samples))


def explained(*samples: Sample, **more: Any) -> Stall:
    return explain(slow(*samples, **more), now=11.0)


def test_a_timely_photograph_is_exact() -> None:
    stall = explained(sample(at_call(CALLS, 3), at_call(OTHER, 2)))
    assert stall.site.function == "shop.prices.calls"
    assert (stall.site.line, stall.site.exact) == (3, True)
    assert [frame.function for frame in stall.stack] == ["shop.prices.other", "shop.prices.calls"]
    assert (stall.duration, stall.thread) == (0.5, "MainThread")
    assert stall.started_at == pytest.approx(time.time() - 1.0, abs=0.5)


def test_the_place_of_most_photographs_is_the_site() -> None:
    places = [at_call(OTHER, 2), at_call(CALLS, 3), at_call(CALLS, 3)]
    stall = explained(*(sample(spot, at=10.1 + n / 10) for n, spot in enumerate(places)))
    assert stall.site.function == "shop.prices.calls"


def test_timely_photographs_outweigh_late_ones() -> None:
    late = [sample(at_call(OTHER, 2), late=True) for _ in range(3)]
    stall = explained(*late, sample(at_call(CALLS, 3)))
    assert (stall.site.function, stall.site.exact) == ("shop.prices.calls", True)


def test_a_late_photograph_on_a_call_names_the_line_and_says_so() -> None:
    stall = explained(sample(at_call(CALLS, 3), late=True))
    assert (stall.site.line, stall.site.exact) == (3, False)


def test_a_late_photograph_off_a_call_names_the_function_only() -> None:
    """After an operator the frame has moved on: an innocent line is never named."""
    stall = explained(sample(off_call(CALLS, 4), late=True))
    assert stall.site.function == "shop.prices.calls"
    assert (stall.site.line, stall.site.code) == (CALLS.co_firstlineno, "")
    assert stall.site.exact is False


def test_without_a_photograph_nothing_is_invented() -> None:
    stall = explained(coroutine="shop.prices.calls")
    assert stall.site.function == NONE
    assert stall.site.exact is False
    assert stall.stack == ()
    assert (stall.route, stall.method, stall.cause) == (None, None, "unknown")
    assert stall.coroutine == "shop.prices.calls"
    assert (stall.trace_id, stall.span_id) == (None, None)


@pytest.mark.parametrize(
    ("cpu_at_end", "cause"),
    [(1.0, "blocking_call"), (1.02, "blocking_call"), (1.2, "unknown"), (1.38, "cpu")],
)
def test_the_cause_is_told_by_cpu_time(cpu_at_end: float, cause: str) -> None:
    """From the first photograph, at 0.1 s, to the end, at 0.5 s."""
    assert explained(sample(at_call(CALLS, 3)), cpu=cpu_at_end).cause == cause


def test_waiting_in_several_places_is_not_one_blocking_call() -> None:
    samples = sample(at_call(CALLS, 3)), sample(at_call(OTHER, 2), at=10.3)
    assert explained(*samples, cpu=1.0).cause == "unknown"


def test_without_a_cpu_clock_the_cause_is_unknown() -> None:
    assert explained(sample(at_call(CALLS, 3), cpu=0.0), cpu=0.0).cause == "unknown"
    assert explained(sample(at_call(CALLS, 3)), cpu=None).cause == "unknown"


def test_a_server_s_coroutine_is_not_the_culprit_s() -> None:
    """Under a server the task's coroutine is always the server's own."""
    stall = explained(
        sample(at_call(CALLS, 3), at_call(OTHER, 2)),
        coroutine="uvicorn.protocols.http.httptools_impl.RequestResponseCycle.run_asgi",
    )
    assert stall.coroutine == "shop.prices.other"


def test_explaining_holds_no_frames() -> None:
    """Frames would keep the app's locals alive."""
    before = sys.getrefcount(CALLS)
    stall = explained(sample(at_call(CALLS, 3)))
    assert stall.to_dict()["site"]["line"] == 3
    assert sys.getrefcount(CALLS) <= before + 1
