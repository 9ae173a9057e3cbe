"""Markdown tables of the figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

LABELS = {
    "empty": "empty ASGI middleware",
    "loopwatch-python": "loopwatch without its compiled part",
    "asyncio-debug": "asyncio debug mode",
}


def label(variant: str) -> str:
    return LABELS.get(variant, variant)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def percent(ratio: float, digits: int = 1) -> str:
    return f"{(ratio - 1) * 100:+.{digits}f} %"


def spread(ratios: Sequence[float]) -> str:
    return f"{percent(median(ratios))} ({percent(min(ratios))} to {percent(max(ratios))})"
