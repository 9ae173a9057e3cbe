"""The threads that had the GIL while the loop's thread waited for it.

As seen from outside; else those that used the CPU meanwhile. A thread is named by the line of own
code on its stack. Once it has left that, by the function that it was given; if that is no own code,
such as `pickle.loads`, by the line of own code that waits for it; while nobody waits yet, by the
endpoint of the request that asked. A new thread may have the GIL before it is known who waits: the
loop's thread is still starting it then, on the line that asked.

A thread that collects garbage has the GIL to the end of that. If it is not the loop's, it is the
one that made too many objects.
"""

from __future__ import annotations

import threading
from types import CodeType

from loopwatch.core.causes import Cause
from loopwatch.core.evidence import Slow, Spot, ThreadPicture
from loopwatch.core.record_types import NONE, GilHolder, Site
from loopwatch.core.request import Request
from loopwatch.core.stack import Spots
from loopwatch.explain.outside_stack import gil_thief, spots
from loopwatch.explain.site import SiteRules, endpoint_code, is_plumbing, site, site_of_code
from loopwatch.routing.route import place

IDLE = ("threading", "queue", "selectors", "socket", "ssl")  # modules in which threads wait
START = threading.Thread.start.__code__

Holders = tuple[tuple[GilHolder, ...], Request | None]


def gil_holders(slow: Slow, cause: Cause, rules: SiteRules) -> Holders:
    """Return the holders, most CPU time first, and the request for which the first one worked;
    nobody if the loop's thread did not wait for them."""
    if cause == "gil_contention":
        return of_contention(slow, rules)
    usage = slow.usage
    if cause != "gc" or usage is None or usage.collector is None:
        return (), None
    return (thread_holder(usage.collector, usage.gc, rules),), usage.collector.request


def of_contention(slow: Slow, rules: SiteRules) -> Holders:
    if (seen := gil_thief(slow)) is not None:
        where = thread_site(ThreadPicture(seen.name, 0.0, spots(seen.frames)), rules)
        return (GilHolder(thread=seen.name, site=where),), None
    pictures = started_for(slow, best_pictures(slow, rules), rules)
    holders = tuple(thread_holder(p, min(p.cpu, slow.duration), rules) for p in pictures)
    return holders, pictures[0].request if pictures else None


def thread_holder(picture: ThreadPicture, cpu: float, rules: SiteRules) -> GilHolder:
    return GilHolder(
        thread=picture.name,
        site=thread_site(picture, rules),
        cpu_seconds=cpu,
        function=picture.function,
    )


def best_pictures(slow: Slow, rules: SiteRules) -> tuple[ThreadPicture, ...]:
    """Return the latest pictures of the other threads on which the busiest stands in own code; if
    there are none, the latest."""
    taken = [s.threads for s in reversed(slow.samples) if s.threads]
    shown = (threads for threads in taken if rules.own_spots(threads[0].spots))
    return next(shown, taken[0] if taken else ())


def started_for(
    slow: Slow, pictures: tuple[ThreadPicture, ...], rules: SiteRules
) -> tuple[ThreadPicture, ...]:
    """Return the pictures; the first one with who has started its thread, if that is all there is
    to know of who asked."""
    if not pictures or rules.own_spots((*pictures[0].spots, *pictures[0].asker)):
        return pictures
    starting = (s.spots for s in slow.samples if any(x.code is START for x in s.spots))
    return (pictures[0]._replace(asker=next(starting, ())), *pictures[1:])


def thread_site(picture: ThreadPicture, rules: SiteRules) -> Site:
    """Return the site of what a thread does."""
    stack, given = picture.spots, picture.code
    own: Spot | None = next(iter(rules.own_spots(stack)), None)
    if own is None and given is not None and rules.is_own_code(given):
        return site_of_code(given, None)
    own = own or next(iter(rules.own_spots(picture.asker)), None)
    code = asked_by(picture.request) if own is None else None
    if code is not None and rules.is_own_code(code):
        return site_of_code(code, None)
    if own is None and not is_idle(stack):
        own = next((s for s in stack if not is_plumbing(s)), None)
    if own is not None:
        return site(own)
    return Site(picture.function or NONE, exact=False)


def is_idle(stack: Spots) -> bool:
    """Return whether a thread waits: whatever had the GIL has left its stack by then."""
    return not stack or stack[0].module in IDLE


def asked_by(request: Request | None) -> CodeType | None:
    return endpoint_code(place(request).endpoint) if request is not None else None
