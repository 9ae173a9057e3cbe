"""The await chain of a suspended coroutine: where it and those that it awaits stand."""

from __future__ import annotations

from types import FrameType
from typing import Any

from loopwatch.core.evidence import Spot

DEPTH = 32  # coroutines followed


def spot(frame: FrameType) -> Spot:
    """Return where a frame stands, without the frame."""
    module = frame.f_globals.get("__name__") or "?"
    return Spot(frame.f_code, frame.f_lasti, frame.f_lineno or 0, module)


def await_chain(coroutine: Any) -> tuple[Spot, ...]:
    """Return where a suspended coroutine and those that it awaits stand, innermost first.

    It keeps the GIL, so that none of them runs on meanwhile.
    """
    spots: list[Spot] = []
    while coroutine is not None and len(spots) < DEPTH:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            break
        spots.append(spot(frame))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return tuple(reversed(spots))
