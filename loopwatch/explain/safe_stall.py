"""A stall whose names come from code that may be hostile, made safe as it is made.

Names are labels too, so they are the same in both. What is only shown (a file's path, source text,
a thread's name) is kept as it is, but can always be encoded; whoever shows it escapes the rest.
"""

from __future__ import annotations

from dataclasses import replace

from loopwatch.core.evidence import Spot
from loopwatch.core.record_types import Blocker, Contributor, Frame, GilHolder, Site, Stall
from loopwatch.core.safe_text import encodable, label
from loopwatch.core.stack import of_stack
from loopwatch.explain.site import frames


def safe_stall(stall: Stall) -> Stall:
    """Return a stall with the same numbers, and names that can be counted and encoded; its stack
    must be one of `safe_frames`."""
    return replace(
        stall,
        route=known(stall.route),
        method=known(stall.method),
        coroutine=known(stall.coroutine),
        site=safe_site(stall.site),
        thread=encodable(stall.thread),
        contributors=tuple(map(safe_contributor, stall.contributors)),
        gil_holders=tuple(map(safe_holder, stall.gil_holders)),
        blocker=None if stall.blocker is None else safe_blocker(stall.blocker),
    )


def known(name: str | None) -> str | None:
    return None if name is None else label(name)


def safe_site(site: Site) -> Site:
    return replace(
        site,
        function=label(site.function),
        file=encodable(site.file),
        code=encodable(site.code),
    )


@of_stack
def safe_frames(spots: tuple[Spot, ...]) -> tuple[Frame, ...]:
    """Return a stack, outermost first."""
    return tuple(map(safe_frame, frames(spots)))


def safe_frame(frame: Frame) -> Frame:
    return Frame(label(frame.function), encodable(frame.file), frame.line)


def safe_contributor(part: Contributor) -> Contributor:
    return replace(part, coroutine=label(part.coroutine))


def safe_blocker(blocker: Blocker) -> Blocker:
    thread, site = blocker.thread, blocker.site
    return replace(
        blocker,
        text=encodable(blocker.text),
        thread=None if thread is None else encodable(thread),
        site=None if site is None else safe_site(site),
    )


def safe_holder(holder: GilHolder) -> GilHolder:
    return replace(
        holder,
        thread=encodable(holder.thread),
        site=safe_site(holder.site),
        function=known(holder.function),
    )
