"""From a busy time to a stall: the line, the cause, or why there is none.

A loop that never finds time to sleep is busy without being blocked: many short steps follow each
other, and each reading finds one. So what was seen must agree: the looks show the same function,
called from the same lines. One look is enough where the thread stayed in one system call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from loopwatch.core.causes import Cause
from loopwatch.core.evidence import OutsideFrame, Spot
from loopwatch.core.record_types import NONE, Frame, GilHolder, Site, Stall
from loopwatch.explain.advice import Adviser
from loopwatch.explain.safe_stall import safe_stall
from loopwatch.explain.site import DEFAULT, function_name
from loopwatch.tools.attach.busy_time import PERIOD, BusyTime, Look
from loopwatch.tools.attach.file_names import Files

HALF = 0.5
MOST = 2 / 3  # of the looks must agree
STILL = 0.8  # of the readings found the thread in one and the same call
IMPORT = "<frozen importlib._bootstrap>"

MANY_STEPS = "busy times of many short steps"  # reasons why a busy time is no stall
UNSEEN = "busy times without two looks at the stack"

ADVISER = Adviser()


@dataclass(frozen=True, slots=True)
class Seen:
    """One look, understood."""

    look: Look
    spots: tuple[Spot, ...]  # of the step, innermost first
    site: Spot | None
    frame: OutsideFrame | None  # of the site
    key: tuple[object, ...]  # the same for all looks at one step


def stall(
    busy: BusyTime, files: Files, base: int, thread: str, to_unix: float
) -> tuple[Stall | None, str]:
    """Return the stall that a busy time was; else None and the reason."""
    looks = [one for one in busy.looks if one.mine.step(base) and not one.mine.is_parked]
    found = [seen(look, files, base) for look in looks]
    still = busy.same * PERIOD >= STILL * busy.duration or busy.same >= STILL * busy.readings
    agreed = agreeing(found)
    if len(agreed) < 2 and not (still and agreed):
        several = len(found) - len(agreed) >= 1 and len(found) >= 2
        return None, MANY_STEPS if several else UNSEEN
    if len(agreed) < MOST * len(found):
        return None, MANY_STEPS
    return safe_stall(made(busy, agreed, files, thread, to_unix)), ""


def seen(look: Look, files: Files, base: int) -> Seen:
    frames = look.mine.step(base)
    spots = tuple(map(files.spot, frames))
    spot = DEFAULT.site_spot(spots)
    at = next((n for n, s in enumerate(spots) if s is spot), None)
    if at is None:
        return Seen(look, spots, None, None, tuple(f[:2] for f in frames[1:]))
    return Seen(look, spots, spot, frames[at], (frames[at][:2], frames[at + 1 :]))


def agreeing(found: Sequence[Seen]) -> list[Seen]:
    """Return the looks that show the step seen most often."""
    if not found:
        return []
    key, _ = Counter(one.key for one in found).most_common(1)[0]
    return [one for one in found if one.key == key]


def made(
    busy: BusyTime, agreed: Sequence[Seen], files: Files, thread: str, to_unix: float
) -> Stall:
    line, times = Counter(one.frame.line if one.frame else 0 for one in agreed).most_common(1)[0]
    best = next(one for one in agreed if (one.frame.line if one.frame else 0) == line)
    why = cause(busy, agreed)
    site = site_of(best, files, exact=times == len(agreed))
    holders = gil_holders(agreed, files) if why == "gil_contention" else ()
    whole = Stall(
        started_at=busy.started + to_unix,
        duration=busy.duration,
        cause=why,
        coroutine=coroutine(best, files),
        site=holders[0].site if holders else site,
        stack=tuple(
            Frame(function_name(s.code, s.module), f.file, f.line)
            for s, f in zip(best.spots, best.look.mine.frames, strict=False)
        )[::-1],
        thread=thread,
        cpu_seconds=busy.usage.cpu,
        run_queue_seconds=busy.usage.queued,
        gil_holders=holders,
    )
    return replace(whole, advice=ADVISER.advise(whole))


def site_of(one: Seen, files: Files, exact: bool) -> Site:
    if one.site is None or one.frame is None:
        return Site(NONE, exact=False)
    name = function_name(one.site.code, one.site.module)
    code = files.text(one.frame.file, one.frame.line)
    return Site(name, one.frame.file, one.frame.line, code, exact)


def coroutine(one: Seen, files: Files) -> str | None:
    """Return the outermost own coroutine of the step, else its outermost own function."""
    own = DEFAULT.own_spots(one.spots)[::-1]
    waits = (s for s in own if files.is_async(s.code.co_filename, s.line))
    found = next(waits, own[0] if own else None)
    return function_name(found.code, found.module) if found is not None else None


def cause(busy: BusyTime, agreed: Sequence[Seen]) -> Cause:
    """Return why the loop was held, as far as it can be told from outside."""
    others = sum(one.look.holder is not None for one in agreed)
    cpu, queued = busy.usage
    enough = HALF * busy.duration
    if queued >= enough or busy.stopped >= HALF * busy.readings:
        return "starved"
    if all(any(s.code.co_filename == IMPORT for s in one.spots) for one in agreed):
        return "import"
    if cpu >= enough:
        return "cpu"
    if others > HALF * len(agreed):
        return "gil_contention"
    return "blocking_call" if busy.duration - cpu - queued >= enough else "unknown"


def gil_holders(agreed: Sequence[Seen], files: Files) -> tuple[GilHolder, ...]:
    found: dict[str, GilHolder] = {}
    for one in agreed:
        if one.look.holder is not None:
            theirs = replace(one.look, mine=one.look.holder)
            site = site_of(seen(theirs, files, 0), files, exact=False)
            name = one.look.holder.name
            found.setdefault(name, GilHolder(thread=name, site=site))
    return tuple(found.values())
