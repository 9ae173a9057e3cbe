"""Advice by cause, where no call is to blame or nobody knows it: its gaps are filled here."""

from __future__ import annotations

import re

from loopwatch.core.causes import CAUSES
from loopwatch.core.record_types import Stall

NAMED = 3  # contributors, or threads
ENOUGH = 0.25  # of a stall's duration, to have starved it

FILE = re.compile(  # the call at the end of a chain, with another one in it at most
    r"\.(?:read|read1|readinto|readline|readlines|write|writelines)\((?:[^()]|\([^()]*\))*\)$"
)
CALL = re.compile(r"(?:await )?([\w.]+)\(")

BY_CAUSE = {name: row.advice for name, row in CAUSES.items()} | {
    f"{name}, {when}": advice
    for name, row in CAUSES.items()
    for when, advice in row.advice_if.items()
}


def by_cause(stall: Stall, gil_released: bool | None) -> str:
    """Return the advice for a cause whose call nobody knows, or is innocent."""
    return BY_CAUSE[circumstance(stall, gil_released)].format(
        holder=" and ".join(f"{h.thread} ({h.site.function})" for h in stall.gil_holders[:NAMED]),
        module=imported(stall) if stall.cause == "import" else "",
        call=found[1] if (found := CALL.match(stall.site.code)) else "the call",
        contributors=", ".join(c.coroutine for c in stall.contributors[:NAMED]) or "small ones",
    )


def circumstance(stall: Stall, gil_released: bool | None) -> str:
    """Return a cause, and what is known of it, as `BY_CAUSE` has them."""
    if stall.cause == "cpu" and gil_released is not False:
        seldom = "cpu, on what may be a file" if may_be_file(stall) else "cpu, seen too seldom"
        return "cpu, GIL let go" if gil_released else seldom
    if stall.cause == "import" and not is_import(stall):
        return "import, within a call"
    if stall.cause == "gc" and stall.gil_holders:
        return "gc, on another thread"
    if stall.cause == "gil_contention" and not stall.gil_holders:
        return "gil_contention, holder unknown"
    if stall.cause == "starved":
        waited, throttled = stall.run_queue_seconds or 0.0, stall.throttled_seconds or 0.0
        if throttled >= ENOUGH * stall.duration:
            return "starved, throttled"
        if waited >= ENOUGH * stall.duration:
            return "starved, run queue"
    return stall.cause


def may_be_file(stall: Stall) -> bool:
    """Return whether C code reads or writes at the site, by the name of what it calls."""
    site, innermost = stall.site, stall.stack[-1] if stall.stack else None
    in_c = innermost is not None and (innermost.file, innermost.line) == (site.file, site.line)
    return in_c and site.exact and FILE.search(site.code) is not None


def is_import(stall: Stall) -> bool:
    """Return whether an import stands at the site, or is around it, as it is the top level of what
    was imported; or nothing is known of what stands there."""
    code = stall.site.code
    if stall.site.function.endswith(".<module>"):
        return True
    return not code or code.startswith(("import ", "from ")) or "import" in code.partition("(")[0]


def imported(stall: Stall) -> str:
    """Return the module that was imported: the outermost whose own code ran, or as written."""
    frames = [frame.function for frame in stall.stack]
    start = next((i for i, f in enumerate(frames) if f.startswith("importlib.")), len(frames))
    modules = [f.removesuffix(".<module>") for f in frames[start:] if f.endswith(".<module>")]
    written = re.match(r"(?:import|from) ([\w.]+)", stall.site.code)
    return modules[0] if modules else written[1] if written else "it"
