"""What a process says as it exits: who held its loops, most seconds first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from loopwatch.core.plural import counted
from loopwatch.core.record_types import NONE, OTHER, SiteReading, Snapshot, Stall
from loopwatch.core.safe_text import safe

CULPRITS = 10  # lines; the others are counted
CODE = 60  # characters of a call


def summary(snapshot: Snapshot) -> str:
    """Return the lines that `loopwatch run` writes at the end, safe for a terminal."""
    rows = sorted(grouped(snapshot.sites).items(), key=lambda row: -row[1][1])
    count = sum(row.stalls.count for row in snapshot.sites)
    seconds = sum(row.stalls.sum for row in snapshot.sites)
    if not count:
        return "loopwatch: no stall held a loop\n"
    lines = [f"loopwatch: {counted(count, 'stall')} held a loop for {seconds:.2f} s in all"]
    lines += (f"  {text}" for text in culprits(rows[:CULPRITS], snapshot.stalls))
    if len(rows) > CULPRITS:
        lines.append(f"  and {counted(len(rows) - CULPRITS, 'other culprit')}")
    return "".join(f"{safe(line)}\n" for line in lines)


Rows = dict[tuple[str, str], tuple[int, float, int, float]]


def grouped(sites: tuple[SiteReading, ...]) -> Rows:
    """Return stalls, s held, victims and s lost by route and site, whatever the cause."""
    found: Rows = {}
    for row in sites:
        key = row.route, row.site
        stalls, held, victims, lost = found.get(key, (0, 0.0, 0, 0.0))
        found[key] = (
            stalls + row.stalls.count,
            held + row.stalls.sum,
            victims + row.victims,
            lost + row.lost_request_seconds,
        )
    return found


def culprits(
    rows: list[tuple[tuple[str, str], tuple[int, float, int, float]]], latest: tuple[Stall, ...]
) -> Iterator[str]:
    for (route, site), (stalls, held, victims, lost) in rows:
        stall = next((s for s in reversed(latest) if is_of(s, route, site)), None)
        text = f"{held:.2f} s in {counted(stalls, 'stall')}: {owner(stall, route)}, "
        text += place(stall, site)
        if victims:
            text += f"; {counted(victims, 'request')} waited {lost:.2f} s"
        yield text
        if stall is not None and stall.advice:
            yield f"  {stall.advice}"


def is_of(stall: Stall, route: str, site: str) -> bool:
    return stall.site.function == site and (stall.route or NONE) == route


def owner(stall: Stall | None, route: str) -> str:
    if route == NONE:
        return "outside any request" if stall is None or not stall.method else "no route"
    method = stall.method if stall is not None else None
    return f"{method or ''} {'all others' if route == OTHER else route}".strip()


def place(stall: Stall | None, site: str) -> str:
    """Return function, file, line and call, as far as they are known."""
    if stall is None or not stall.site.line:
        return {NONE: "an unknown place", OTHER: "all others"}.get(site, site)
    at = "" if stall.site.exact else "near "
    text = f"{site} ({at}{PurePath(stall.site.file).name}:{stall.site.line})"
    code = " ".join(stall.site.code.split())
    code = code if len(code) <= CODE else code[: CODE - 1] + "…"
    return f"{text}: {code}" if code else text
