"""Formats numbers and names for sentences and tables."""

from __future__ import annotations

from pathlib import PurePath

from loopwatch.core.record_types import NONE, OTHER, Site
from loopwatch.tools.diagnose.report_records import Culprit, RouteReport

LONGEST = 60  # characters of a call
LOST = {  # in words what a reason of `loopwatch_dropped_total` does not say by itself
    "callbacks": "callbacks of a slow tick",
    "loop_time": "lines and samples of the loop's time",
    "looks": "looks at where requests wait",
    "request_start": "values of X-Request-Start",
    "samples": "stack samples from outside",
    "victims": "searches for victims to their end",
    "waits": "places where requests wait",
}


def ms(seconds: float) -> str:
    """Return a duration with about three digits: `40 µs`, `9.2 ms`, `512 ms`, `3.41 s`."""
    if seconds >= 1:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    thousands = seconds * 1000
    if thousands < 0.1:
        return f"{thousands * 1000:.0f} µs"
    return f"{thousands:.0f} ms" if thousands >= 10 else f"{thousands:.1f} ms"


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def lost(reason: str) -> str:
    """Return what was lost for a reason: `looks at where requests wait`."""
    return LOST.get(reason, reason)


def route_name(route: RouteReport) -> str:
    return f"{route.method} {routed(route.route)}"


def routed(label: str) -> str:
    return {NONE: "no route", OTHER: "all others"}.get(label, label)


def owner(route: str | None, method: str | None) -> str:
    """Return whose code held the loop: a request's, by method and route as far as known."""
    if route is None:
        return f"{method}, no route" if method else "outside any request"
    return f"{method or ''} {routed(route)}".strip()


def place(culprit: Culprit) -> str:
    """Return a culprit's place, `app.py:23`, or its function if no line is known."""
    return site_place(culprit.site)


def site_place(site: Site) -> str:
    if not site.line:
        return site.function if site.function != NONE else "an unknown place"
    return f"{PurePath(site.file).name}:{site.line}"


def site_name(culprit: Culprit | None, site: str) -> str:
    """Return the call and the line of a culprit, if known."""
    return line_name(Site(site) if culprit is None or not culprit.site.line else culprit.site)


def line_name(site: Site) -> str:
    """Return the call and the line of a site, or its function if no line is known."""
    if not site.line:
        return f"`{site.function}`" if site.function != NONE else "an unknown line"
    near = "at" if site.exact else "near"
    code = site_call(site)
    return f"`{code}` {near} {site_place(site)}" if code else f"code {near} {site_place(site)}"


def call(culprit: Culprit) -> str:
    """Return the source text of a culprit's call in one short line; empty if unknown."""
    return site_call(culprit.site)


def site_call(site: Site) -> str:
    code = " ".join(site.code.split()).replace("`", "'")
    return code if len(code) <= LONGEST else code[: LONGEST - 1] + "…"


def printable(text: str) -> str:
    """Return text for HTML and SVG: whatever a browser would not show is a space."""
    return "".join(c if c.isprintable() else " " for c in text)
