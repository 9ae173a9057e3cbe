"""What is told of the stalls of a test, as the message of its failure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from loopwatch.core.causes import label
from loopwatch.core.record_types import NONE, Stall
from loopwatch.core.safe_text import safe
from loopwatch.tools.findings.finding import relative

MOST = 5  # stalls of one test that are told


def message(stalls: Sequence[Stall], limit: float, root: Path) -> str:
    """Return several lines; the first says it all, for the summary."""
    first, *rest = stalls
    lines = [
        f"{where(first, root)} held the event loop for {first.duration:.3f} s",
        f"  {doing(first)}",
        f"  {label(first.cause)}; this test may hold it for less than {limit:g} s at a time",
    ]
    if first.route is not None:
        lines.append(f"  route: {first.method or ''} {first.route}".replace("  ", " "))
    if first.advice:
        lines.append(f"  {first.advice}")
    lines += [f"also {where(s, root)} for {s.duration:.3f} s: {doing(s)}" for s in rest[: MOST - 1]]
    if len(rest) >= MOST:
        lines.append(f"and {len(rest) - MOST + 1} more times")
    return "\n".join(map(safe, lines))


def where(stall: Stall, root: Path) -> str:
    site = stall.site
    if not site.line:
        return label("many_callbacks") if stall.contributors else "an unknown line"
    return f"{'' if site.exact else 'near '}{relative(site.file, root)}:{site.line}"


def doing(stall: Stall) -> str:
    """Return the call; where there is none, who took part."""
    if stall.contributors:
        parts = (
            f"{p.coroutine} ({p.count if p.count is not None else '?'} times, {p.seconds:.3f} s)"
            for p in stall.contributors
        )
        return ", ".join(parts)
    site = stall.site
    return site.code or (site.function if site.function != NONE else stall.coroutine or "unknown")
