"""The verdicts that name what requests wait for while nobody holds the loop."""

from __future__ import annotations

from loopwatch.core.plural import counted
from loopwatch.core.record_types import NONE
from loopwatch.core.resources import RESOURCES
from loopwatch.tools.diagnose.estimate_records import WaitReport
from loopwatch.tools.diagnose.findings import Findings
from loopwatch.tools.diagnose.report_records import Kind, Verdict
from loopwatch.tools.diagnose.wording import (
    line_name,
    owner,
    percent,
    site_call,
    site_place,
)

FELT = 0.25  # of a route's p99, or of its waiting: from here on a place is named
MOSTLY = 0.5  # of a route's p99: from here on requests that wait for each other are the verdict
LOOKS = 5  # fewer are chance
HOLDERS = 8  # that a reading has at most
EACH_OTHER = ("lock", "semaphore", "condition", "queue", "pool")  # what one has, others lack


def waits_most(found: Findings, route: str | None = None) -> WaitReport | None:
    """Return the place where most request-seconds went, if it matters to its route."""
    mine = (wait for wait in found.waits if route in (None, wait.route))
    return next((w for w in mine if w.looks >= LOOKS and share(w) >= FELT), None)


def share(wait: WaitReport) -> float:
    return wait.of_waiting if wait.of_p99 is None else wait.of_p99


def each_other(found: Findings) -> Verdict | None:
    """Return that requests wait for what others of them have, as the places they wait at show."""
    wait = waits_most(found)
    if wait is None or wait.resource not in EACH_OTHER or share(wait) < MOSTLY:
        return None
    return waited(wait, "concurrency")


def waited(wait: WaitReport, kind: Kind, more: str = "") -> Verdict:
    """Return the verdict that names a place, with more sentences behind it."""
    foreseen = f" {wait.what_if}" if wait.what_if else ""
    return Verdict(
        kind=kind,
        text=f"{wait_text(wait)}{foreseen}{more}",
        route=wait.route,
        method=wait.method,
        share=share(wait),
    )


def wait_text(wait: WaitReport) -> str:
    """Return a sentence on who waits for what, where, beside how many others."""
    peer = f" ({wait.peer})" if wait.peer else ""
    return f"{who(wait)} waits for {what(wait)}{peer}: {crowd(wait)}; {much(wait)}."


def who(wait: WaitReport) -> str:
    if wait.route == NONE:
        return "Something without a route"
    return f"`{owner(wait.route, wait.method)}`"


def what(wait: WaitReport) -> str:
    """Return the line that awaits; without its source, what is awaited there."""
    if site_call(wait.place):
        return line_name(wait.place)
    return f"{RESOURCES.get(wait.resource, wait.resource)}, in `{site_place(wait.place)}`"


def crowd(wait: WaitReport) -> str:
    """Return how many have it, and how many wait for it on average."""
    many = f"{wait.at_once:.0f} waiting" if wait.at_once >= 0.5 else f"at most {wait.most} waiting"
    if not wait.holders:
        return many
    least = " or more" if len(wait.holders) >= HOLDERS else ""
    held = counted(len(wait.holders), "holder")
    return f"{held}{least}, {many}"


def much(wait: WaitReport) -> str:
    if wait.of_p99 is None:
        return f"{percent(wait.of_waiting)} of all that it waits"
    return f"{percent(wait.of_p99)} of its p99"
