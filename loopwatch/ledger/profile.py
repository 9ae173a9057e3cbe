"""Stalls as profiles, for the tools that draw flame graphs. A stall weighs what it held the loop.

A stall that was never photographed stands under its site's function.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from loopwatch.records import Frame, Stall
from loopwatch.version import __version__

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def folded(stalls: Iterable[Stall]) -> str:
    """Return a line for each different stack, `frame;frame;frame 150`, outermost first.

    The weight is whole milliseconds of held loop, 1 at least.
    """
    weights: defaultdict[str, float] = defaultdict(float)
    for stall in stalls:
        weights[";".join(escaped(frame.function) for frame in stack(stall))] += stall.duration
    lines = (f"{names} {max(1, round(s * 1000))}\n" for names, s in sorted(weights.items()))
    return "".join(lines)


def speedscope(stalls: Iterable[Stall]) -> dict[str, Any]:
    """Return a profile in speedscope's file format: one sample a stall, in order, in seconds."""
    index: dict[Frame, int] = {}
    samples: list[list[int]] = []
    weights: list[float] = []
    for stall in stalls:
        samples.append([index.setdefault(frame, len(index)) for frame in stack(stall)])
        weights.append(stall.duration)
    return {
        "$schema": SCHEMA,
        "exporter": f"loopwatch {__version__}",
        "name": "event loop held",
        "activeProfileIndex": 0,
        "shared": {"frames": [entry(frame) for frame in index]},
        "profiles": [
            {
                "type": "sampled",
                "name": "event loop held",
                "unit": "seconds",
                "startValue": 0,
                "endValue": sum(weights),
                "samples": samples,
                "weights": weights,
            }
        ],
    }


def stack(stall: Stall) -> tuple[Frame, ...]:
    """Return the frames of a stall, outermost first; never empty."""
    site = stall.site
    return stall.stack or (Frame(site.function, site.file, site.line),)


def entry(frame: Frame) -> dict[str, Any]:
    """Return a frame as speedscope has it; what is unknown is left out."""
    known: dict[str, Any] = {"name": frame.function}
    if frame.file:
        known["file"] = frame.file
    if frame.line:
        known["line"] = frame.line
    return known


def escaped(name: str) -> str:
    """Return a name that cannot be taken for two frames or two lines."""
    return "".join(
        c if c.isprintable() and c != ";" else f"\\x{ord(c):02x}" for c in name
    )  # a lone surrogate is not printable either, so the text can always be encoded
