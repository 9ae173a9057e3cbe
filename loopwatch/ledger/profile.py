"""The profile: all stalls by stack, and any stacks in the formats of tools that draw flame graphs.

The weight of a stack is the seconds for which it held the loop. A stall without a stack sample is
under its site's function. Up to 1,024 different stacks have their own weights; the rest share one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Protocol

from loopwatch.core.record_types import OTHER, Frame, Stall
from loopwatch.core.safe_text import safe
from loopwatch.core.version import __version__
from loopwatch.ledger.counts import Table

STACKS = 1024
SCHEMA = "https://www.speedscope.app/file-format-schema.json"


class Profile:
    """Seconds of held loop by stack; one thread at a time adds, any thread reads."""

    def __init__(self) -> None:
        self._frames: dict[Frame, Frame] = {}  # equal frames are kept once
        self._by_identity: dict[int, tuple[tuple[Frame, ...], StackRow]] = {}  # of known stacks
        self._rows: Table[tuple[Frame, ...], StackRow] = Table(
            STACKS, lambda: StackRow((Frame(OTHER, "", 0),))
        )

    @property
    def overflow(self) -> int:
        return self._rows.overflow

    def add(self, stall: Stall) -> None:
        row = self._by_identity.get(id(stall.stack))
        if row is not None and row[0] is stall.stack:
            row[1].seconds += stall.duration
        else:
            self._add(stall)

    def _add(self, stall: Stall) -> None:
        frames = stack(stall)
        if len(self._rows) < STACKS:
            frames = tuple(self._frames.setdefault(frame, frame) for frame in frames)
        row = self._rows.get(frames, lambda: StackRow(frames))
        row.seconds += stall.duration
        if stall.stack and row.frames == frames:  # not the row of all the rest
            if len(self._by_identity) >= STACKS:
                self._by_identity.clear()
            self._by_identity[id(stall.stack)] = stall.stack, row

    def folded(self) -> str:
        """Return a line for each different stack: whole milliseconds of held loop."""
        return folded(self._rows)

    def speedscope(self) -> dict[str, Any]:
        """Return a profile in speedscope's file format: seconds of held loop."""
        return speedscope(self._rows, "event loop held")


class StackRow:
    """The stalls of one stack, outermost frame first."""

    __slots__ = ("frames", "seconds")

    def __init__(self, frames: tuple[Frame, ...]) -> None:
        self.frames = frames
        self.seconds = 0.0


class Weighted(Protocol):
    """A stack, outermost frame first, and its seconds."""

    @property
    def frames(self) -> tuple[Frame, ...]: ...
    @property
    def seconds(self) -> float: ...


def folded(rows: Iterable[Weighted]) -> str:
    """Return a line for each different stack, `frame;frame;frame 150`, outermost first.

    The weight is whole milliseconds, 1 at least.
    """
    weights: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        weights[";".join(escaped(frame.function) for frame in row.frames)] += row.seconds
    lines = (f"{names} {max(1, round(s * 1000))}\n" for names, s in sorted(weights.items()))
    return "".join(lines)


def speedscope(rows: Iterable[Weighted], name: str) -> dict[str, Any]:
    """Return a profile in speedscope's file format: one sample a stack, in seconds."""
    index: dict[Frame, int] = {}
    samples: list[list[int]] = []
    weights: list[float] = []
    for row in rows:
        samples.append([index.setdefault(frame, len(index)) for frame in row.frames])
        weights.append(row.seconds)
    profile = {
        "type": "sampled",
        "name": name,
        "unit": "seconds",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }
    return {
        "$schema": SCHEMA,
        "exporter": f"loopwatch {__version__}",
        "name": name,
        "activeProfileIndex": 0,
        "shared": {"frames": [entry(frame) for frame in index]},
        "profiles": [profile],
    }


def stack(stall: Stall) -> tuple[Frame, ...]:
    """Return the frames of a stall, outermost first; never empty."""
    site = stall.site
    return stall.stack or (Frame(site.function, site.file, site.line),)


def entry(frame: Frame) -> dict[str, Any]:
    """Return a frame in speedscope's format; unknown fields are left out."""
    known: dict[str, Any] = {"name": frame.function}
    if frame.file:
        known["file"] = frame.file
    if frame.line:
        known["line"] = frame.line
    return known


def escaped(name: str) -> str:
    """Return a name without the separators of frames and lines."""
    return safe(name).replace(";", "\\x3b")
