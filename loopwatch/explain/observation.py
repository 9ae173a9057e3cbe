"""What the stack samples of one step show beside its cause: what else the advice depends on."""

from __future__ import annotations

import dis
import itertools
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

from loopwatch.core.evidence import Sample, Slow, Spot
from loopwatch.core.memo import CodeMemo
from loopwatch.explain.bytecode import stands_on_call
from loopwatch.explain.site import SiteRules, is_coroutine

PYTHON, NATIVE = 2, 3  # timely stack samples, at least, that tell one from the other
OTHERS = 0.2  # of a step: CPU time of other threads from which they may have had the GIL
LOOPS = 64  # code objects whose loops are remembered
AWAITS = ("SEND", "GET_AWAITABLE", "GET_ANEXT")


class Observation(NamedTuple):
    """What is known of a step on the CPU; None: too little was seen to say."""

    gil_released: bool | None = None  # C code without the GIL, for which a thread would help
    never_suspends: bool | None = False  # it went round a loop whose awaits never suspended it;
    # None: it is in such a loop, but one round of it may have taken all the time
    plain: bool = False  # the site is a plain function that could be awaited where it is called


NOTHING = Observation()


def observe(slow: Slow, cause: str, rules: SiteRules) -> Observation:
    """Return what the stack samples of a slow step show."""
    timely = [s for s in slow.samples if s.spots and not s.late]
    if slow.parts or cause not in ("cpu", "gc", "unknown", "starved"):
        return NOTHING
    others = slow.usage.others if slow.usage is not None else 0.0
    alone = others < OTHERS * slow.duration
    return Observation(released(timely, alone) if cause == "cpu" else None, in_vain(timely, rules))


def released(timely: list[Sample], alone: bool = True) -> bool | None:
    """Return whether one C call was on the CPU at each look: Python code moves on in between.

    Python code may be met on the calls that it makes, so it takes more looks to exclude it. A loop
    of short calls is met on the same one each time, but has the GIL as the watchdog asks for it;
    if no other thread had it (`alone`).
    """
    inner = [s.spots[0] for s in timely]
    if not all(map(stands_on_call, inner)):
        return False if len(inner) >= PYTHON else None
    timed = [s.free for s in timely if s.free is not None]
    if timed and sum(timed) <= len(timed) / 2:
        return False if alone and len(timed) >= PYTHON else None
    return True if len({spot[:2] for spot in inner}) == 1 and len(inner) >= NATIVE else None


def in_vain(timely: list[Sample], rules: SiteRules) -> bool | None:
    """Return whether the coroutine of the site was in a loop that awaits, at most looks.

    It is one step, so what was awaited was ready each time; if it went round the loop at all.
    """
    places = (awaiting_loop(s, rules) for s in timely)
    known = [place for place in places if place is not None]
    if len(known) <= len(timely) / 2 or len({place.code for place in known}) > 1:
        return False
    return True if goes_back([place.instruction for place in known]) else None


def goes_back(instructions: list[int]) -> bool:
    """Return whether a function was seen at an earlier instruction than before."""
    return any(later < earlier for earlier, later in itertools.pairwise(instructions))


def awaiting_loop(sample: Sample, rules: SiteRules) -> Spot | None:
    """Return the coroutine that the site is in, or was called by, if it stands in a loop with an
    await; None if it does not."""
    spots = sample.spots
    site = rules.site_spot(spots)
    start = next((n for n, spot in enumerate(spots) if spot is site), len(spots))
    found = next(filter(is_coroutine, spots[start:]), None)
    return found if found is not None and in_awaiting_loop(found) else None


def in_awaiting_loop(spot: Spot) -> bool:
    return any(start <= spot.instruction <= end for start, end in awaiting_loops(spot.code))


def find_awaiting_loops(code: CodeType) -> tuple[tuple[int, int], ...]:
    """Return where the loops of a function that have an await begin and end, by offset."""
    waits = [i.offset for i in dis.get_instructions(code) if i.opname in AWAITS]
    return tuple((a, b) for a, b in loops(code) if any(a <= offset <= b for offset in waits))


def loops(code: CodeType) -> Iterator[tuple[int, int]]:
    """Yield where the loops of a function begin and end, by offset.

    The jumps back with which an await waits, or takes an exception, are none.
    """
    before = ""
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if is_loop(name) and before != "CLEANUP_THROW":
            yield instruction.argval, instruction.offset
        before = name if name != "EXTENDED_ARG" else before


def is_loop(name: str) -> bool:
    return name.startswith(("JUMP_BACKWARD", "POP_JUMP_BACKWARD")) and "NO_INT" not in name


awaiting_loops = CodeMemo(find_awaiting_loops, LOOPS)
