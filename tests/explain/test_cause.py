"""Where the time of a step went, and what is said of it. Half a second each."""

import dis
from dataclasses import replace
from typing import Any

import pytest

from loopwatch.core.evidence import Part, Sample, Slow, Spot, Usage
from loopwatch.explain.cause import besides_starvation, cause

CODE = compile("work()", "/app/shop.py", "exec")
IMPORT = compile("load()", "<frozen importlib._bootstrap>", "exec")

NOTHING = {"queued": 0.0, "throttled": None, "gil_wait": 0.0}


def sample_stack(code: Any = CODE, at: float = 10.1, late: bool = False) -> Sample:
    return Sample(at=at, late=late, spots=(Spot(code, 0, 1, "shop"),), cpu=1.0)


def caused(*samples: Sample, **usage: Any) -> str:
    measured = Usage(**NOTHING | usage)
    return cause(Slow(10.0, 0.5, "MainThread", samples=list(samples), usage=measured))


TIMELY, LATE = sample_stack(), sample_stack(at=10.5, late=True)
PARKED = replace(TIMELY, parked=True)  # in a system call that is not the wait for the GIL
KEPT = replace(LATE, kept=True)  # seen in such a call by the watchdog, which waited for the GIL


@pytest.mark.parametrize(
    ("samples", "usage", "expected"),
    [
        ((TIMELY,), {"cpu": 0.0, "gil_wait": 0.01}, "blocking_call"),
        ((TIMELY,), {"cpu": 0.2}, "blocking_call"),
        ((TIMELY,), {"cpu": 0.3}, "cpu"),
        ((LATE,), {"cpu": 0.5, "kept": 0.44, "watched": 0.44}, "native_gil"),
        ((LATE,), {"cpu": 0.0, "kept": 0.44, "watched": 0.44}, "native_gil"),
        ((TIMELY,), {"cpu": 0.5, "kept": 0.01, "watched": 0.02}, "cpu"),
        ((TIMELY,), {"cpu": 0.5, "gc": 0.2, "kept": 0.2, "watched": 0.3}, "cpu"),
        ((LATE,), {"cpu": 0.5, "gc": 0.2, "kept": 0.3, "watched": 0.3}, "native_gil"),
        ((TIMELY,), {"cpu": 0.1, "gil_wait": 0.4, "others": 0.4}, "gil_contention"),
        ((LATE,), {"cpu": 0.0, "gil_wait": 0.5, "others": 0.1, "kept": 0.4}, "gil_contention"),
        ((TIMELY,), {"cpu": 0.0, "gil_wait": 0.5, "others": 0.0}, "blocking_call"),
        ((TIMELY,), {"cpu": 0.0, "gil_wait": 0.05, "others": 1.5}, "blocking_call"),
        ((TIMELY,), {"cpu": 0.1, "queued": 0.4}, "starved"),
        ((TIMELY,), {"cpu": 0.1, "throttled": 0.4}, "starved"),
        ((PARKED,), {"cpu": 0.0, "queued": 0.5}, "blocking_call"),
        ((PARKED,), {"cpu": 0.0, "queued": 0.5, "frozen": 0.4}, "starved"),
        ((PARKED, TIMELY), {"cpu": 0.0, "queued": 0.5}, "starved"),
        ((LATE,), {"cpu": 0.05, "frozen": 0.4}, "starved"),
        ((LATE,), {"cpu": 0.5, "gc": 0.2, "kept": 0.3, "watched": 0.45}, "native_gil"),
        ((TIMELY, LATE), {"cpu": 0.5, "gc": 0.2, "kept": 0.3, "watched": 0.45}, "cpu"),
        ((LATE,), {"cpu": 0.5, "gc": 0.2, "kept": 0.2, "watched": 0.45}, "unknown"),
        ((LATE,), {"cpu": 0.48, "gc": 0.4, "kept": 0.4, "watched": 0.4}, "gc"),
        ((TIMELY,), {"cpu": 0.0, "gc": 0.4}, "blocking_call"),
        ((sample_stack(IMPORT),), {"cpu": 0.0}, "import"),
        ((sample_stack(IMPORT),), {"cpu": 0.5}, "import"),
        ((TIMELY, sample_stack(at=10.3), sample_stack(IMPORT, 10.4)), {"cpu": 0.5}, "cpu"),
        ((TIMELY, sample_stack(at=10.15), sample_stack(IMPORT, 10.25)), {"cpu": 0.5}, "import"),
        ((TIMELY,), {"cpu": 0.2, "queued": 0.2}, "starved"),
        ((TIMELY,), {"cpu": 0.24, "queued": 0.2}, "unknown"),
        ((TIMELY,), {"cpu": 0.1, "queued": 0.2, "others": 0.15}, "unknown"),
        ((LATE,), {"cpu": 0.01, "queued": 0.13, "kept": 0.4, "watched": 0.44}, "starved"),
        ((LATE,), {"cpu": 0.01, "queued": 0.09, "kept": 0.4, "watched": 0.44}, "native_gil"),
        ((LATE,), {"cpu": 0.0, "gil_wait": 0.4, "kept": 0.4, "watched": 0.44}, "unknown"),
        ((KEPT,), {"cpu": 0.0, "gil_wait": 0.4, "kept": 0.4, "watched": 0.44}, "native_gil"),
        ((TIMELY,), {"cpu": 0.01, "queued": 0.2}, "blocking_call"),
        ((), {"cpu": 0.0}, "unknown"),
        ((), {"cpu": 0.5}, "unknown"),
        ((LATE,), {"cpu": 0.5, "kept": 0.02, "watched": 0.3}, "unknown"),
        ((LATE,), {"cpu": 0.5, "kept": 0.2, "watched": 0.3}, "native_gil"),
    ],
)
def test_what_took_at_least_half_of_the_step(
    samples: tuple[Sample, ...], usage: dict[str, Any], expected: str
) -> None:
    assert caused(*samples, **usage) == expected


@pytest.mark.parametrize(
    ("sample", "usage", "expected"),
    [
        (sample_stack(IMPORT), {"cpu": 0.16, "queued": 0.34, "gc": 0.22}, "import"),
        (TIMELY, {"cpu": 0.16, "queued": 0.34, "gc": 0.22}, "cpu"),
        (TIMELY, {"cpu": 0.16, "queued": 0.34, "gc": 0.26}, "gc"),
        (TIMELY, {"cpu": 0.16, "queued": 0.34, "gc": 0.5}, "gc"),
        (LATE, {"cpu": 0.16, "queued": 0.34, "kept": 0.4, "watched": 0.44}, "native_gil"),
        (TIMELY, {"cpu": 0.16, "queued": 0.34, "kept": 0.1, "watched": 0.44}, "cpu"),
    ],
)
def test_what_a_starved_step_would_have_been_slow_by(
    sample: Sample, usage: dict[str, Any], expected: str
) -> None:
    """A collection, too, was without a CPU for its part of the time."""
    starved = Slow(10.0, 0.5, "MainThread", samples=[sample], usage=Usage(**NOTHING | usage))
    assert cause(starved) == "starved"
    assert besides_starvation(starved) == expected


def test_where_slices_are_not_counted_a_wait_needs_one_place_or_an_idle_process() -> None:
    elsewhere = sample_stack(compile("rest()", "/app/rest.py", "exec"), at=10.3)
    assert caused(TIMELY, elsewhere, cpu=0.0, gil_wait=None, others=0.0) == "blocking_call"
    assert caused(TIMELY, elsewhere, cpu=0.0, gil_wait=None, others=0.5) == "unknown"
    assert caused(TIMELY, sample_stack(at=10.3), cpu=0.0, gil_wait=None) == "blocking_call"


def test_threads_in_c_that_meet_at_barriers_do_not_wait_for_the_gil() -> None:
    """They wake as often as a thread that asks for it; but nobody has it at any look."""
    free = [replace(TIMELY, at=10.1 + n / 10, free=True) for n in range(3)]
    woken = {"cpu": 0.01, "gil_wait": 0.49, "others": 0.9}
    assert caused(*free, **woken) == "blocking_call"
    assert caused(*free, TIMELY, **woken | {"cpu": 0.26}) == "cpu"
    assert caused(free[0], TIMELY, TIMELY, **woken) == "gil_contention"
    assert caused(free[0], **woken) == "gil_contention"  # one look is too little


def test_an_import_that_had_just_begun_is_not_what_was_slow_before_it() -> None:
    """An operator kept the GIL, and C code imports a module next; its first instruction looks."""
    spaces: dict[str, Any] = {}
    exec(compile("def find(name): return name", IMPORT.co_filename, "exec"), spaces)
    code = spaces["find"].__code__
    entry = next(i.offset for i in dis.get_instructions(code) if i.opname == "RESUME")
    begun = replace(LATE, spots=(Spot(code, entry, 1, "importlib"), *LATE.spots))
    kept = {"cpu": 0.5, "kept": 0.44, "watched": 0.44}
    assert caused(begun, **kept) == "native_gil"
    deeper = replace(begun, spots=(begun.spots[0], *begun.spots))
    assert caused(deeper, **kept) == "import"
    assert caused(replace(begun, late=False), **kept) == "import"


def test_without_readings_only_frames_speak() -> None:
    assert cause(Slow(10.0, 0.5, "MainThread", samples=[TIMELY])) == "unknown"
    assert cause(Slow(10.0, 0.5, "MainThread", samples=[sample_stack(IMPORT)])) == "import"


def test_a_tick_of_parts_has_many_callbacks() -> None:
    parts = (Part("shop.work", None, 300, 0.3),)
    assert cause(Slow(10.0, 0.5, "MainThread", parts=parts)) == "many_callbacks"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(0.4), "many_callbacks"),
        (Usage(0.1, others=0.3, gil_wait=0.35), "gil_contention"),
        (Usage(0.1, others=0.05, gil_wait=0.35), "many_callbacks"),
        (Usage(0.1, queued=0.3), "starved"),
        (Usage(0.5, gc=0.4), "gc"),
    ],
)
def test_a_long_tick_is_not_its_callbacks_doing_if_something_else_took_half(
    usage: Usage, expected: str
) -> None:
    parts = (Part("shop.work", None, 300, 0.5),)
    assert cause(Slow(10.0, 0.5, "MainThread", parts=parts, usage=usage)) == expected


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(0.047, queued=0.064), "starved"),
        (Usage(0.002, queued=0.064), "starved"),
        (Usage(0.07, queued=0.064), None),  # work had more of it
        (Usage(0.01, queued=0.025), None),  # slow even with a CPU
    ],
)
def test_want_of_a_cpu_is_the_cause_with_less_than_half_if_the_rest_is_not_slow(
    usage: Usage, expected: str | None
) -> None:
    parts = (Part("shop.work", None, 300, 0.149),)
    tick = Slow(10.0, 0.149, "MainThread", parts=parts, usage=usage)
    assert cause(tick) == (expected or "many_callbacks")
    step = Slow(10.0, 0.149, "MainThread", samples=[LATE], usage=usage)
    assert cause(step) == (expected or "unknown")


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(0.01, others=0.4, gil_wait=0.4, gc=0.4), "gc"),
        (Usage(0.01, others=0.4, gil_wait=0.4, gc=0.1), "gil_contention"),
        (Usage(0.01, others=0.4, gil_wait=0.0, gc=0.4), "unknown"),  # nobody asked for the GIL
    ],
)
def test_a_collection_on_another_thread_keeps_the_gil(usage: Usage, expected: str) -> None:
    assert cause(Slow(10.0, 0.5, "MainThread", samples=[LATE], usage=usage)) == expected
