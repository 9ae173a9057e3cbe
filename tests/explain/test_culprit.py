"""From evidence to a stall: stack samples weighed, made by hand."""

import dis
import sys
import time
from types import CodeType
from typing import Any

import pytest

from loopwatch.core.evidence import OutsideFrame, OutsideSample, Part, Sample, Slow, Spot, Usage
from loopwatch.core.record_types import NONE, Stall
from loopwatch.explain.culprit import explain
from loopwatch.exporters.log import sentence
from tests.explain.calls import CALLS, OTHER, at_call, compiled, off_call

RAISES = compiled("def raises():\n    value = n**n\n    work(value)", "raises")


def elsewhere(code: CodeType) -> CodeType:
    """Return the same code in the standard library."""
    return code.replace(co_filename=dis.__file__)


def sample(*spots: Spot, at: float = 10.1, late: bool = False, **more: Any) -> Sample:
    return Sample(at=at, late=late, spots=spots, **{"cpu": 1.0} | more)


def slow(*samples: Sample, **more: Any) -> Slow:
    values: dict[str, Any] = {"started": 10.0, "duration": 0.5, "thread": "MainThread"}
    return Slow(**values | more, samples=list(samples))


def explained(*samples: Sample, **more: Any) -> Stall:
    return explain(slow(*samples, **more), now=11.0).stall


def test_a_timely_stack_sample_is_exact() -> None:
    stall = explained(sample(at_call(CALLS, 3), at_call(OTHER, 2)))
    assert stall.site.function == "shop.prices.calls"
    assert (stall.site.line, stall.site.exact) == (3, True)
    assert [frame.function for frame in stall.stack] == ["shop.prices.other", "shop.prices.calls"]
    assert (stall.duration, stall.thread) == (0.5, "MainThread")
    assert stall.started_at == pytest.approx(time.time() - 1.0, abs=0.5)


def test_the_place_of_most_stack_sample_is_the_site() -> None:
    places = [at_call(OTHER, 2), at_call(CALLS, 3), at_call(CALLS, 3)]
    stall = explained(*(sample(spot, at=10.1 + n / 10) for n, spot in enumerate(places)))
    assert stall.site.function == "shop.prices.calls"


def test_a_function_just_entered_is_innocent_and_so_is_its_call() -> None:
    """The look at the GIL on entering it came late because of what was before the call."""
    entry = next(i.offset for i in dis.get_instructions(CALLS) if i.opname == "RESUME")
    entered = Spot(elsewhere(CALLS), entry, 1, "json")
    stall = explained(sample(entered, at_call(RAISES, 3), late=True))
    assert (stall.site.line, stall.site.exact) == (RAISES.co_firstlineno, False)
    deeper = sample(entered, at_call(elsewhere(OTHER), 3), at_call(RAISES, 3), late=True)
    assert (explained(deeper).site.line, explained(deeper).site.exact) == (3, True)


def test_a_line_that_was_watched_is_exact() -> None:
    stall = explained(sample(at_call(RAISES, 3), late=True), pinned=(RAISES, 2))
    assert (stall.site.function, stall.site.line) == ("prices.raises", 2)
    assert stall.site.exact
    timely = explained(sample(at_call(CALLS, 3)), pinned=(RAISES, 2))
    assert (timely.site.function, timely.site.line) == ("shop.prices.calls", 3)


def test_what_was_seen_from_outside_is_exact() -> None:
    frames = (
        OutsideFrame("raises", "/app/shop/prices.py", 2),
        OutsideFrame("Handle._run", "/usr/lib/python3.12/asyncio/events.py", 88),
        OutsideFrame("<module>", "/app/main.py", 9),
    )
    seen = OutsideSample(10.1, 10.15, thread=1, holds_gil=True, frames=frames)
    stall = explained(sample(at_call(OTHER, 3), at=10.5, late=True), outside=[seen])
    assert (stall.site.function, stall.site.line, stall.site.exact) == ("prices.raises", 2, True)
    assert [frame.function for frame in stall.stack] == ["prices.raises"]


def test_a_thread_seen_with_the_gil_is_to_blame() -> None:
    frames = (OutsideFrame("crunch", "/app/shop/worker.py", 7),)
    seen = OutsideSample(10.1, 10.15, 2, holds_gil=True, frames=frames, mine=False, name="worker")
    usage = Usage(cpu=0.0, gil_wait=0.5, others=0.5)
    stall = explained(sample(at_call(CALLS, 3), late=True), outside=[seen], usage=usage)
    assert stall.cause == "gil_contention"
    assert [holder.thread for holder in stall.gil_holders] == ["worker"]
    assert (stall.site.function, stall.site.line) == ("worker.crunch", 7)


def test_a_step_that_only_lacked_a_cpu_has_no_site() -> None:
    where = sample(at_call(CALLS, 3))
    hungry = explained(where, usage=Usage(cpu=0.05, queued=0.45))
    assert (hungry.cause, hungry.site.function) == ("starved", NONE)
    guilty = explained(where, usage=Usage(cpu=0.2, queued=0.3))
    assert (guilty.cause, guilty.site.function) == ("starved", "shop.prices.calls")


def test_many_callbacks_have_contributors_in_place_of_a_site() -> None:
    parts = tuple(Part(f"shop.work{n}", None, 10, 0.1) for n in range(8))
    stall = explained(sample(at_call(CALLS, 3)), parts=(*parts,))
    assert (stall.cause, stall.site.function, stall.stack) == ("many_callbacks", NONE, ())
    assert [c.coroutine for c in stall.contributors] == [f"shop.work{n}" for n in range(5)]
    assert (stall.contributors[0].count, stall.contributors[0].seconds) == (10, 0.1)


def test_a_stack_sample_counts_for_the_time_around_it() -> None:
    """At 0.06 and 0.1 s in one place, but from then to the end, 0.5 s, in C code elsewhere."""
    early = [sample(at_call(OTHER, 2), at=at) for at in (10.06, 10.1)]
    stall = explained(*early, sample(at_call(CALLS, 3), at=10.48, late=True))
    assert stall.site.function == "shop.prices.calls"


def test_timely_stack_sample_outweigh_late_ones() -> None:
    late = [sample(at_call(OTHER, 2), late=True) for _ in range(3)]
    stall = explained(*late, sample(at_call(CALLS, 3)))
    assert (stall.site.function, stall.site.exact) == ("shop.prices.calls", True)


def test_a_late_stack_sample_on_a_call_that_alone_can_have_been_slow_is_exact() -> None:
    stall = explained(sample(at_call(CALLS, 3), late=True))
    assert (stall.site.line, stall.site.exact) == (3, True)


def test_a_late_stack_sample_after_another_call_names_the_line_and_says_so() -> None:
    stall = explained(sample(at_call(OTHER, 3), late=True))
    assert (stall.site.line, stall.site.exact) == (3, False)


def test_a_late_stack_sample_after_an_operator_names_the_function_only() -> None:
    stall = explained(sample(at_call(RAISES, 3), late=True))
    assert (stall.site.line, stall.site.exact) == (RAISES.co_firstlineno, False)


def test_that_is_the_function_with_the_operator_not_the_one_that_called_it() -> None:
    stall = explained(sample(at_call(RAISES, 3), at_call(OTHER, 2), late=True))
    assert (stall.site.function, stall.site.exact) == ("shop.prices.raises", False)


def test_below_the_user_s_own_code_a_late_stack_sample_is_exact() -> None:
    """Whatever was slow, it was below that line: a function begins with a look at the GIL."""
    library = at_call(RAISES, 3)._replace(code=elsewhere(RAISES))
    stall = explained(sample(library, at_call(OTHER, 3), late=True))
    assert (stall.site.function, stall.site.line) == ("shop.prices.other", 3)
    assert stall.site.exact


def test_a_late_stack_sample_off_a_call_names_the_function_only() -> None:
    """After an operator the frame has moved on: an innocent line is never named."""
    stall = explained(sample(off_call(CALLS, 4), late=True))
    assert stall.site.function == "shop.prices.calls"
    assert (stall.site.line, stall.site.code) == (CALLS.co_firstlineno, "")
    assert stall.site.exact is False


def test_a_line_that_the_loop_may_have_gone_on_to_is_not_named() -> None:
    """Another thread of ours had the interpreter first."""
    stall = explained(sample(at_call(CALLS, 3), late=True, doubtful=True))
    assert (stall.site.line, stall.site.exact) == (CALLS.co_firstlineno, False)


def test_without_a_stack_sample_nothing_is_invented() -> None:
    stall = explained(coroutine="shop.prices.calls")
    assert stall.site.function == NONE
    assert stall.site.exact is False
    assert stall.stack == ()
    assert (stall.route, stall.method, stall.cause) == (None, None, "unknown")
    assert stall.coroutine == "shop.prices.calls"
    assert (stall.trace_id, stall.span_id) == (None, None)


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


def test_many_callbacks_have_their_busiest_as_a_site() -> None:
    """At its `def`, below its decorators, and as a function only."""
    code = decorated.__code__
    busiest = Part("shop.decorated", None, 500, 0.48, code)
    stall = explained(parts=(busiest, Part("shop.rest", None, 2, 0.02)), code=code)
    assert (stall.site.function, stall.site.exact) == (f"{__name__}.decorated", False)
    assert stall.site.line == code.co_firstlineno + 2
    assert "nearly all of it 500 times shop.decorated 0.480 s" in sentence(stall)


def test_a_starved_stall_says_what_else_it_was() -> None:
    spot = at_call(CALLS, 3)
    usage = Usage(cpu=0.2, queued=0.3, watched=0.45)
    explanation = explain(slow(sample(spot), usage=usage), now=11.0)
    assert (explanation.stall.cause, explanation.rest) == ("starved", "cpu")
    assert explanation.stall.site.line == 3
    said = sentence(explanation.stall)
    assert "no CPU for 0.3 of 0.5 s; 0.2 s of it was `shop.prices.calls`" in said


def test_without_own_code_on_the_stack_a_library_s_line_is_not_the_site() -> None:
    """Of a step whose own function is known."""
    library = sample(at_call(elsewhere(CALLS), 3)._replace(module="json"))
    assert explained(library).site.file == dis.__file__
    owned = explained(library, code=OTHER)
    assert (owned.site.function, owned.site.exact) == ("prices.other", False)


def wrapped(function: Any) -> Any:
    return function


@wrapped
@wrapped
def decorated() -> None: ...
