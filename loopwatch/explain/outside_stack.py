"""Stacks read from outside, as stack samples: no code objects, but what stands in for them."""

from __future__ import annotations

from functools import lru_cache
from types import CodeType

from loopwatch.core.evidence import OutsideFrame, OutsideSample, Sample, Slow, Spot
from loopwatch.core.names import module_of

RUNNERS = ("asyncio/events.py", "asyncio/runners.py", "uvloop/__init__.py")  # below any step
NO_INSTRUCTION = 1 << 30


def sightings(slow: Slow) -> list[Sample]:
    """Return what was seen of the loop's own thread while it kept the GIL."""
    return [
        Sample(s.until, True, spots(s.frames), 0.0, sure=True)
        for s in slow.outside
        if s.mine and s.holds_gil
    ]


def spots(frames: tuple[OutsideFrame, ...]) -> tuple[Spot, ...]:
    """Return the frames of the running step, innermost first."""
    own: list[Spot] = []
    for frame in frames:
        if frame.file.replace("\\", "/").endswith(RUNNERS):
            break
        own.append(Spot(stand_in(frame), NO_INSTRUCTION, frame.line, module_of(frame.file)))
    return tuple(own)


@lru_cache(maxsize=256)
def stand_in(frame: OutsideFrame) -> CodeType:
    """Return a code object of that name and place, to be named like any other."""
    name = frame.function.rpartition(".")[2]
    empty = compile("", frame.file, "exec")
    return empty.replace(co_name=name, co_qualname=frame.function, co_firstlineno=frame.line)


def gil_thief(slow: Slow) -> OutsideSample | None:
    """Return another thread as it was seen with the GIL."""
    return next((s for s in slow.outside if s.holds_gil and not s.mine), None)
