"""Why the loop was held, from evidence only; `unknown` where there is too little.

The time of a step went somewhere: on the CPU, into the run queue or a quota, into waiting for the
GIL, or into waiting in a call. Whatever took at least half of it is the cause, asked by `RULES` in
an order that puts what nobody's code did (no CPU, a collection) before what lines did. Want of a
CPU is the cause with less than half too where nothing better is seen, if the rest would not have
been slow, or if the whole process got next to nothing: a thread that waits for the GIL is in no run
queue, but whoever has it may be. On the CPU, C code that kept the GIL is told from all else by the
watchdog: it could not look before the call was over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from loopwatch.core.causes import Cause
from loopwatch.core.evidence import Sample, Slow, Spot, Usage
from loopwatch.core.stack import of_stack
from loopwatch.explain.bytecode import at_entry
from loopwatch.explain.sample_choice import spans

HALF = 0.5  # of the step: what a cause must account for
SHORTEST = 1e-9  # s, so that nothing is half of nothing
LITTLE = 0.2  # of the step: CPU time of a GIL's holder who shares the CPU with other processes, and
# time without a CPU that is enough where nobody of the process had much of one
FEW = 2  # looks, from which it counts that nobody had the GIL
IMPORTING = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")

Test: TypeAlias = Callable[[Slow], bool]


class Rule(NamedTuple):
    """One row of the table: the cause of a step for which `holds`, and no rule before it did."""

    name: str
    cause: Cause
    holds: Test


def cause(slow: Slow) -> Cause:
    """Return why a step was slow."""
    return rule(slow).cause


def rule(slow: Slow) -> Rule:
    """Return the first rule that holds; the last one does for every step."""
    return next(rule for rule in RULES if rule.holds(slow))


def besides_starvation(slow: Slow) -> Cause:
    """Return why a starved step would have been slow with a CPU as well.

    What was measured by the clock was without a CPU for the same part of its time.
    """
    shorter, usage = slow, slow.usage
    if usage is not None:
        least = max(usage.cpu, slow.duration - starvation(usage), SHORTEST)
        part = least / max(slow.duration, SHORTEST)
        clocked = {name: getattr(usage, name) * part for name in ("gc", "kept", "watched")}
        shorter = replace(slow, duration=least, usage=replace(usage, **clocked))
    return next(r.cause for r in RULES if r.cause != "starved" and r.holds(shorter))


def read(test: Callable[[Slow, Usage], bool]) -> Test:
    """Return a test that holds for no step whose clocks were not read."""
    return lambda slow: slow.usage is not None and test(slow, slow.usage)


# ---------------------------------------------------------------- no CPU


def starvation(usage: Usage) -> float:
    """Return for how long the thread had no CPU though it wanted one, s."""
    return max(usage.frozen, (usage.queued or 0.0) + (usage.throttled or 0.0))


def starved(slow: Slow, usage: Usage) -> bool:
    if waiting_all_along(slow, usage) or kept_waiting(slow, usage):
        return False
    return starvation(usage) >= HALF * slow.duration


def kept_waiting(slow: Slow, usage: Usage) -> bool:
    """Return whether a thread asked for the GIL again and again, while another one, on the CPU for
    long enough to be slow itself, had it: with a CPU of its own it would only have asked more."""
    asked = (usage.gil_wait or 0.0) >= LITTLE * slow.duration and usage.cpu < LITTLE * slow.duration
    return (
        asked
        and not gil_was_free(slow)
        and usage.others >= max(slow.threshold, LITTLE * slow.duration)
    )


def tipped(slow: Slow, usage: Usage) -> bool:
    """Return whether a step was without a CPU for longer than on one, and would not have been slow
    with one all the time."""
    wanted = starvation(usage)
    return wanted >= usage.cpu and slow.duration - wanted < slow.threshold


def tick_tipped(slow: Slow, usage: Usage) -> bool:
    return tick(slow) and tipped(slow, usage)


def short_of_cpu(slow: Slow, usage: Usage) -> bool:
    """Return whether no thread got much of a CPU: then whoever kept the GIL had none either."""
    wanted = starvation(usage)
    return wanted >= LITTLE * slow.duration and wanted >= usage.cpu + usage.others


# ---------------------------------------------------------------- on the CPU


def on_cpu(slow: Slow, usage: Usage) -> bool:
    return usage.cpu >= HALF * slow.duration


def on_cpu_with_gil(slow: Slow, usage: Usage) -> bool:
    return on_cpu(slow, usage) and (kept_gil(usage) or never_let_go(slow, usage))


def seen_on_cpu(slow: Slow, usage: Usage) -> bool:
    return on_cpu(slow, usage) and seen_in_time(slow)


def collected(slow: Slow, usage: Usage) -> bool:
    """Return whether collections took half of it, on the thread itself or on one that had the GIL:
    a collection keeps it to its end."""
    held = on_cpu(slow, usage) or waited_for_gil(slow, usage)
    return usage.gc >= HALF * slow.duration and held


def kept_gil(usage: Usage) -> bool:
    """Return whether the watchdog, once it wanted to look, had to wait for most of the rest;
    garbage collections keep the GIL too, whatever code they fall into."""
    return usage.kept - usage.gc > HALF * (usage.watched - usage.gc)


def never_let_go(slow: Slow, usage: Usage) -> bool:
    """Return whether the watchdog waited for the GIL most of the time, and no look was in time: C
    code that makes objects has collections within it, between which Python code would be seen."""
    unseen = bool(slow.samples) and not seen_in_time(slow)
    return unseen and usage.kept > HALF * usage.watched


# ---------------------------------------------------------------- waiting


def waited_for_gil(slow: Slow, usage: Usage) -> bool:
    """Return whether others had the GIL: the thread asked for it, and they were on the CPU."""
    asked = usage.gil_wait is not None and usage.gil_wait >= HALF * slow.duration
    asked = asked or kept_waiting(slow, usage)
    return asked and usage.others >= LITTLE * slow.duration and not undisputed(slow)


def tick_contended(slow: Slow, usage: Usage) -> bool:
    return tick(slow) and waited_for_gil(slow, usage)


def waiting(slow: Slow, usage: Usage) -> bool:
    """Return whether the thread was neither on the CPU nor ready to be, nor waiting for the GIL."""
    return slow.duration - accounted(slow, usage) >= HALF * slow.duration


def accounted(slow: Slow, usage: Usage) -> float:
    """Return the seconds that are known not to be waiting in a call."""
    contended = min(usage.gil_wait or 0.0, usage.others)
    wanted = usage.frozen if waiting_all_along(slow, usage) else starvation(usage)
    return usage.cpu + wanted + (0.0 if undisputed(slow) else contended)


def waiting_in_call(slow: Slow, usage: Usage) -> bool:
    """Return whether a waiting thread was seen in time, and did not wait for the GIL.

    Where slices are not counted the GIL is ruled out by its absence of takers.
    """
    if kept_gil(usage) or not seen_in_time(slow) or not waiting(slow, usage):
        return False
    alone = usage.others < HALF * slow.duration or in_one_place(slow)
    return usage.gil_wait is not None or alone


def waiting_with_gil(slow: Slow, usage: Usage) -> bool:
    """Return whether a waiting thread kept the GIL: it did not ask for it, nor could others run.

    Whoever has the GIL does not ask. Where it was seen in another call, its slices were no asking:
    a fork has many.
    """
    seen = any(sample.kept for sample in slow.samples)
    asked = not seen and (usage.gil_wait or 0.0) >= HALF * slow.duration
    others = usage.others >= HALF * slow.duration
    return kept_gil(usage) and waiting(slow, usage) and not asked and not others


def waiting_all_along(slow: Slow, usage: Usage) -> bool:
    """Return whether a step was found waiting in a call when it was looked at in time.

    Then what the run queue grew by was before the step or after it, unless the watchdog stood still
    as well.
    """
    return parked(slow) and usage.frozen < HALF * slow.duration


# ---------------------------------------------------------------- what was seen


def tick(slow: Slow) -> bool:
    """Return whether it is no single step, but a tick of many."""
    return bool(slow.parts)


def importing(slow: Slow) -> bool:
    """Return whether stack samples show an import for most of the time that they stand for."""
    counted = {id(sample) for sample in timely(slow) if not import_just_begun(sample)}
    timed = [(sample, seconds) for sample, seconds in spans(slow) if id(sample) in counted]
    shown = (seconds for sample, seconds in timed if in_import(sample.spots))
    return sum(shown) > HALF * sum(seconds for _, seconds in timed)


def import_just_begun(sample: Sample) -> bool:
    """Return whether a late look found no more of an import than its entry: what kept the GIL until
    then was before it."""
    spots = sample.spots
    entered = sample.late and bool(spots) and at_entry(spots[0])
    return entered and not in_import(spots[1:])


@of_stack
def in_import(spots: tuple[Spot, ...]) -> bool:
    return any(spot.code.co_filename in IMPORTING for spot in spots)


def timely(slow: Slow) -> list[Sample]:
    """Return the stack samples taken when they were due; if there are none, the late ones."""
    return [s for s in slow.samples if not s.late] or slow.samples


def seen_in_time(slow: Slow) -> bool:
    return any(not s.late for s in slow.samples)


def parked(slow: Slow) -> bool:
    """Return whether most timely stack samples found the thread waiting for something else."""
    shown = [s.parked for s in slow.samples if s.spots and not s.late]
    return sum(shown) > len(shown) / 2


def gil_was_free(slow: Slow) -> bool:
    """Return whether most looks, of at least two, found the GIL with nobody.

    Then a thread that woke again and again did not ask for it: threads in C that meet at barriers
    (BLAS, OpenMP, argon2) wake as often.
    """
    shown = [bool(s.free) for s in slow.samples if s.spots]
    return len(shown) >= FEW and sum(shown) > len(shown) / 2


def undisputed(slow: Slow) -> bool:
    """Return whether the looks show that the thread did not wait for the GIL."""
    return parked(slow) or gil_was_free(slow)


def in_one_place(slow: Slow) -> bool:
    return len({s.spots[0] for s in timely(slow) if s.spots}) == 1 < len(timely(slow))


# ---------------------------------------------------------------- the table

RULES = (
    # 1, 2: what nobody's code did
    Rule("no CPU for half of it", "starved", read(starved)),
    Rule("half of it in collections", "gc", read(collected)),
    # 3 to 5: a tick of many short steps, none of which is to blame
    Rule("a tick, slow for want of a CPU", "starved", read(tick_tipped)),
    Rule("a tick, slow for want of the GIL", "gil_contention", read(tick_contended)),
    Rule("a tick", "many_callbacks", tick),
    # 6 to 10: what took half of a step
    Rule("in an import", "import", importing),
    Rule("asked for the GIL, and others had it", "gil_contention", read(waited_for_gil)),
    Rule("on the CPU, and kept the GIL", "native_gil", read(on_cpu_with_gil)),
    Rule("on the CPU, and seen there", "cpu", read(seen_on_cpu)),
    Rule("on the CPU, but not seen in time", "unknown", read(on_cpu)),
    # 11 to 14: nothing did, but waiting
    Rule("waiting in a call", "blocking_call", read(waiting_in_call)),
    Rule("slow for want of a CPU", "starved", read(tipped)),
    Rule("nobody of the process had a CPU", "starved", read(short_of_cpu)),
    Rule("waiting in a call that kept the GIL", "native_gil", read(waiting_with_gil)),
    # 15: the rest
    Rule("nothing of that", "unknown", lambda slow: True),
)
