"""Why the loop was held, from evidence only; `unknown` where there is too little.

The time of a step went somewhere: on the CPU, into the run queue or a quota, into waiting for the
GIL, or into waiting in a call. Whatever took at least half of it is the cause, asked in an order
that puts what nobody's code did (no CPU, a collection) before what lines did. Want of a CPU is the
cause with less than half too where nothing better is seen, if the rest would not have been slow, or
if the whole process got next to nothing: a thread that waits for the GIL is in no run queue, but
whoever has it may be. On the CPU, C code that kept the GIL is told from all else by the watchdog:
it could not look before the call was over.
"""

from __future__ import annotations

from loopwatch.core.evidence import Sample, Slow, Usage
from loopwatch.core.record_types import Cause

HALF = 0.5  # of the step: what a cause must account for
LITTLE = 0.2  # of the step: CPU time of a GIL's holder who shares the CPU with other processes, and
# time without a CPU that is enough where nobody of the process had much of one
IMPORTING = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")


def cause(slow: Slow) -> Cause:
    """Return why a step was slow."""
    usage, half = slow.usage, HALF * slow.duration
    if usage is not None and starvation(usage) >= half and not waiting_all_along(slow, usage):
        return "starved"
    if usage is not None and usage.gc >= half and usage.cpu >= half:
        return "gc"
    return of_tick(slow) if slow.parts else of_step(slow, usage)


def of_tick(slow: Slow) -> Cause:
    if slow.usage is not None and tipped(slow, slow.usage):
        return "starved"
    return "many_callbacks"


def of_step(slow: Slow, usage: Usage | None) -> Cause:
    half = HALF * slow.duration
    if importing(slow):
        return "import"
    if usage is None:
        return "unknown"
    if waited_for_gil(usage, slow.duration) and not parked(slow):
        return "gil_contention"
    if usage.cpu >= half:
        return on_cpu(slow, usage)
    found: Cause = "unknown"
    if slow.duration - accounted(slow, usage) >= half:
        found = waiting(slow, usage)
    if found != "blocking_call" and (tipped(slow, usage) or short_of_cpu(slow, usage)):
        return "starved"
    return found


def tipped(slow: Slow, usage: Usage) -> bool:
    """Return whether a step was without a CPU for longer than on one, and would not have been slow
    with one all the time."""
    wanted = starvation(usage)
    return wanted >= usage.cpu and slow.duration - wanted < slow.threshold


def short_of_cpu(slow: Slow, usage: Usage) -> bool:
    """Return whether no thread got much of a CPU: then whoever kept the GIL had none either."""
    wanted = starvation(usage)
    return wanted >= LITTLE * slow.duration and wanted >= usage.cpu + usage.others


def starvation(usage: Usage) -> float:
    """Return for how long the thread had no CPU though it wanted one, s."""
    return max(usage.frozen, (usage.queued or 0.0) + (usage.throttled or 0.0))


def importing(slow: Slow) -> bool:
    """Return whether most stack samples show an import inside the step."""
    shown = [any(s.code.co_filename in IMPORTING for s in sample.spots) for sample in timely(slow)]
    return sum(shown) > len(shown) / 2


def timely(slow: Slow) -> list[Sample]:
    """Return the stack samples taken when they were due; if there are none, the late ones."""
    return [s for s in slow.samples if not s.late] or slow.samples


def waited_for_gil(usage: Usage, duration: float) -> bool:
    """Return whether others had the GIL: the thread asked for it, and they were on the CPU."""
    asked = usage.gil_wait is not None and usage.gil_wait >= HALF * duration
    return asked and usage.others >= LITTLE * duration


def parked(slow: Slow) -> bool:
    """Return whether most timely stack samples found the thread waiting for something else."""
    shown = [s.parked for s in slow.samples if s.spots and not s.late]
    return sum(shown) > len(shown) / 2


def waiting_all_along(slow: Slow, usage: Usage) -> bool:
    """Return whether a step was found waiting in a call when it was looked at in time.

    Then what the run queue grew by was before the step or after it, unless the watchdog stood still
    as well.
    """
    return parked(slow) and usage.frozen < HALF * slow.duration


def kept_gil(usage: Usage) -> bool:
    """Return whether the watchdog, once it wanted to look, had to wait for most of the rest;
    garbage collections keep the GIL too, whatever code they fall into."""
    return usage.kept - usage.gc > HALF * (usage.watched - usage.gc)


def on_cpu(slow: Slow, usage: Usage) -> Cause:
    if kept_gil(usage):
        return "native_gil"
    return "cpu" if any(not s.late for s in slow.samples) else "unknown"


def waiting(slow: Slow, usage: Usage) -> Cause:
    """Return what a thread waited for that was neither on the CPU nor ready to be.

    Where slices are not counted the GIL is ruled out by its absence of takers.
    """
    if kept_gil(usage):
        asked = (usage.gil_wait or 0.0) >= HALF * slow.duration  # whoever has the GIL does not ask
        others = usage.others >= HALF * slow.duration
        return "unknown" if asked or others else "native_gil"
    if not any(not s.late for s in slow.samples):
        return "unknown"
    alone = usage.others < HALF * slow.duration or in_one_place(slow)
    return "blocking_call" if usage.gil_wait is not None or alone else "unknown"


def in_one_place(slow: Slow) -> bool:
    return len({s.spots[0] for s in timely(slow) if s.spots}) == 1 < len(timely(slow))


def accounted(slow: Slow, usage: Usage) -> float:
    """Return the seconds that are known not to be waiting in a call."""
    contended = min(usage.gil_wait or 0.0, usage.others)
    wanted = usage.frozen if waiting_all_along(slow, usage) else starvation(usage)
    return usage.cpu + wanted + (0.0 if parked(slow) else contended)
