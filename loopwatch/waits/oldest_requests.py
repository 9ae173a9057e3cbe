"""The requests in flight, oldest first: their age, their parts so far, and where they wait."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import nlargest
from typing import Any, NamedTuple

from loopwatch.core.breath import breathe
from loopwatch.core.known_tasks import Reference, loop_of, references_of
from loopwatch.core.record_types import NONE, RequestInFlight
from loopwatch.core.request import Request
from loopwatch.core.task_context import context_request
from loopwatch.explain.site import SiteRules
from loopwatch.loop.loop_state import clock
from loopwatch.routing.route import place as asked_for
from loopwatch.waits.look import Looked, Wait, is_the_app_s, request_of, wait_of
from loopwatch.waits.suspension import suspensions
from loopwatch.waits.task_chain import chain_of


class Found(NamedTuple):
    """A request in flight, and the tasks in whose context it is."""

    request: Request
    tasks: list[Reference]


def oldest_requests(
    loops: Mapping[Any, Looked], rules: SiteRules, limit: int
) -> tuple[RequestInFlight, ...]:
    """Return at most `limit` requests; any thread may ask."""
    found: dict[int, Found] = {}
    for reference in references_of([*loops]):
        task = reference()
        if task is not None and not task.done() and loop_of(task) in loops:
            request = context_request(task)
            if is_the_app_s(request):
                found.setdefault(id(request), Found(request, [])).tasks.append(reference)
        del task
        breathe()
    oldest = nlargest(limit, found.values(), key=age_of)
    read = (reading(each, rules) for each in oldest)
    return tuple(each for each in read if each is not None)


def age_of(found: Found) -> float:
    """Return what orders requests: larger is older."""
    return found.request.queued - found.request.started


def reading(found: Found, rules: SiteRules) -> RequestInFlight | None:
    """Return a request as it is now; None if it has ended."""
    breathe()
    request = found.request
    if request.scope is None:
        return None
    route, method, _ = asked_for(request)
    wait = where(found, rules)
    age = clock() - request.started
    running = min(age, request.taken + request.seconds + sum(request.times))
    stalled = min(request.stalled, age - running)
    return RequestInFlight(
        route=route or NONE,
        method=method or NONE,
        age=age + request.queued,
        queued=request.queued,
        running=running,
        stalled=stalled,
        waiting=max(0.0, age - running - stalled),
        place=None if wait is None else wait.site,
        call="" if wait is None else wait.place.call,
        resource="" if wait is None else wait.resource,
        peer="" if wait is None else wait.peer,
    )


def where(found: Found, rules: SiteRules) -> Wait | None:
    """Return where a request is suspended; of several places, one that has the largest share."""
    for reference in found.tasks:
        task = reference()
        chain = chain_of(task) if task is not None else None
        if chain is None or request_of(task, chain, found.request) is not found.request:
            continue
        places = suspensions(chain)
        if places:
            return wait_of(max(places, key=lambda each: each.share), rules, found.request)
    return None
