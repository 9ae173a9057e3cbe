"""The parts of a stall whose names come from code that may be hostile, made safe as it is made.

Names are labels too, so they are the same in both. What is only shown (a file's path, source text,
a thread's name) is kept as it is, but can always be encoded; whoever shows it escapes the rest.
"""

from __future__ import annotations

from dataclasses import replace

from loopwatch.core.record_types import Contributor, Frame, GilHolder, Site
from loopwatch.core.safe_text import encodable, label


def known(name: str | None) -> str | None:
    return None if name is None else label(name)


def safe_site(site: Site) -> Site:
    return replace(
        site,
        function=label(site.function),
        file=encodable(site.file),
        code=encodable(site.code),
    )


def safe_frame(frame: Frame) -> Frame:
    return Frame(label(frame.function), encodable(frame.file), frame.line)


def safe_contributor(part: Contributor) -> Contributor:
    return replace(part, coroutine=label(part.coroutine))


def safe_holder(holder: GilHolder) -> GilHolder:
    return replace(holder, thread=encodable(holder.thread), site=safe_site(holder.site))
