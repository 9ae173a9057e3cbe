"""What is wrong with what loopwatch said of a row.

A fault is one if the app's threads had a CPU whenever they wanted one. Else it may be the machine
that loopwatch tells of, so the row is asked for again; and so it is where loopwatch itself says
that it cannot tell many callbacks from one slow one (uvloop, a watchdog that came late). Never for
any other reason, and not where a wrong line was called exact: that is never right.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from .marks import functions
from .rows import Row
from .serving import Table

Verdict = Literal["right", "inexact", "starved", "undecided", "missing", "wrong", "wrong line"]
ROUNDS = 6
CALM = 0.010  # s that the app's threads may wait for a CPU, all together, in a calm round
PLUMBING = {
    *("asyncio", "selectors", "threading", "concurrent", "importlib", "_NONE", "?"),
    *("loopwatch", "uvloop", "uvicorn", "starlette", "fastapi", "anyio"),
}


class Outcome(NamedTuple):
    verdict: Verdict
    fault: str = ""

    @property
    def holds(self) -> bool:
        return self.verdict in ("right", "inexact")


def judge(table: Table, row: Row) -> tuple[Outcome, list[str]]:
    """Return the outcome, and what was wrong in disturbed rounds before it."""
    disturbed: list[str] = []
    while True:
        before = table.waited_for_cpu()
        outcome = verdict(row, table.run(row))
        waited = table.waited_for_cpu() - before
        calm = waited < CALM and outcome.verdict != "undecided"
        final = outcome.holds or outcome.verdict == "wrong line" or calm
        if final or len(disturbed) == ROUNDS - 1 or row.trigger == "STARTUP":
            return outcome, disturbed
        disturbed.append(f"waited {waited:.3f} s for a CPU: {outcome.fault}")


def verdict(row: Row, stalls: list[dict[str, Any]]) -> Outcome:
    if not stalls:
        return Outcome("missing", "no stall")
    stall = stalls[0]
    site = stall["site"]
    place = "; ".join(misplaced(row, site)) if row.alone else ""
    if place and site["exact"]:
        return Outcome("wrong line", place)
    if was_starved(stall) and (not place or site["function"] == "_NONE"):
        return Outcome("starved", f"cause starved ({evidence(stall)})")
    if undecided(row, stall):
        return Outcome("undecided", f"cause unknown ({evidence(stall)})")
    faults = [*differences(row, stall), *filter(None, [place])]
    if len(stalls) > 1:
        faults.append(f"{len(stalls)} stalls: {[brief(stall) for stall in stalls]}")
    if faults:
        return Outcome("wrong", "; ".join(faults))
    return Outcome("right" if site["exact"] or not row.alone else "inexact")


def was_starved(stall: dict[str, Any]) -> bool:
    """Return whether a stall says so, and the kernel as well."""
    waited = (stall["run_queue_seconds"] or 0.0) + (stall["throttled_seconds"] or 0.0)
    return bool(stall["cause"] == "starved" and waited >= stall["duration"] / 2)


def undecided(row: Row, stall: dict[str, Any]) -> bool:
    """Return whether a stall names who took part, and no cause."""
    named = any(part["coroutine"] == row.culprit.function for part in parts(stall))
    return not row.alone and named and stall["cause"] == "unknown"


def misplaced(row: Row, site: dict[str, Any]) -> Iterator[str]:
    mark = row.culprit
    on_line = (site["function"], site["file"], site["line"]) == mark
    inexact = "" if site["exact"] else "inexact "
    if not on_line and not (inexact and row.exact == "owner" and names_owner(row, site)):
        yield f"{inexact}site {where(site)} instead of {mark.function}:{mark.line}"
    elif inexact and row.exact == "exact":
        yield f"{inexact}site {where(site)}"
    if site["function"].partition(".")[0] in PLUMBING:
        yield f"site {site['function']} is plumbing"


def differences(row: Row, stall: dict[str, Any]) -> Iterator[str]:
    if stall["cause"] not in row.causes:
        yield f"cause {stall['cause']} instead of {' or '.join(row.causes)} ({evidence(stall)})"
    if row.alone and (stall["route"], stall["method"]) not in row.expected_owners:
        owner = f"{stall['method']} {stall['route']}"
        yield f"route {owner} instead of {row.expected_method} {row.expected_route}"
    if not row.alone and not any(c["coroutine"] == row.culprit.function for c in parts(stall)):
        yield f"contributors {parts(stall)} without {row.culprit.function}"
    coroutine = row.expected_coroutine
    if coroutine is not None and stall["coroutine"] != coroutine:
        yield f"coroutine {stall['coroutine']} instead of {coroutine}"


def parts(stall: dict[str, Any]) -> list[dict[str, Any]]:
    contributors: list[dict[str, Any]] = stall["contributors"]
    return contributors


def evidence(stall: dict[str, Any]) -> str:
    seconds = {key: value for key, value in stall.items() if key.endswith("_seconds") and value}
    told = {"duration": stall["duration"], **seconds}
    return ", ".join(f"{key} {value:.3f}" for key, value in told.items())


def names_owner(row: Row, site: dict[str, Any]) -> bool:
    """Return whether a site is the culprit's function or the endpoint, as a whole."""
    named = (site["function"], site["file"], site["line"])
    owners = (row.culprit.function, row.expected_coroutine)
    return any(named == f[:3] for f in functions() if f.name in owners)


def where(site: dict[str, Any]) -> str:
    return f"{site['function']}:{site['line']} `{site['code']}`"


def brief(stall: dict[str, Any]) -> str:
    return f"{stall['cause']} {stall['duration']:.3f} s {stall['route']} {where(stall['site'])}"
