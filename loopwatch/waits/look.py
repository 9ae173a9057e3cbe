"""One look at the tasks of all loops of a watch: what each waits for, and what it has.

Nothing of the app outlives the visit of one task, but addresses, code and weak references: between
two visits the thread pauses, so that the loop gets its turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, TypeGuard

from loopwatch.core.known_tasks import Reference, loop_of
from loopwatch.core.record_types import NONE, Site
from loopwatch.core.request import OURS, TASK, Request
from loopwatch.core.stack import Stack
from loopwatch.core.task_context import context_request
from loopwatch.explain.site import SiteRules
from loopwatch.explain.wait_place import WaitPlace, site_of_wait, wait_place, waiter_name
from loopwatch.ledger.request_table import RequestTable, known_row
from loopwatch.ledger.wait_table import WaitKey, WaitRow, WaitTable
from loopwatch.loop.loop_state import clock
from loopwatch.loop.probe import Probe
from loopwatch.routing.route import place as asked_for
from loopwatch.waits.holders import Holders, Holding
from loopwatch.waits.identity import awaited_objects, held_objects, insides
from loopwatch.waits.open_contexts import entering
from loopwatch.waits.peer import peer_of
from loopwatch.waits.serial_awaits import SerialAwaits
from loopwatch.waits.suspension import FUTURE, Suspension, suspensions
from loopwatch.waits.task_chain import Chain, chain_of


class Looked(Protocol):
    """What a look needs of a watched loop."""

    waits: WaitTable
    requests: RequestTable
    probe: Probe


class Wait(NamedTuple):
    """One place of a request, as a look sees it."""

    place: WaitPlace
    site: Site
    peer: str
    resource: str
    unstarted: bool
    objects: frozenset[int]  # that it waits for, by address

    def key(self, route: str) -> WaitKey:
        return WaitKey(route, self.site, self.place.call, self.resource, self.peer)


def wait_of(seen: Suspension, rules: SiteRules, request: Request) -> Wait:
    """Return what a suspension is: where, and for what."""
    stack = seen.stack
    place = wait_place(stack, rules, seen.kind)
    endpoint = asked_for(request).endpoint if place.own is None else None
    site = site_of_wait(stack, place, rules, endpoint)
    resource, peer = place.resource, ""
    if resource == "socket":
        peer, is_pipe = peer_of(seen.links[len(stack) - place.library :])
        resource = "process" if is_pipe else resource
    objects = awaited_objects(seen.links, place)
    unstarted = seen.unstarted or (resource == "thread" and bool(objects))
    return Wait(place, site, peer, resource, unstarted, objects)


def is_the_app_s(request: Request | None) -> TypeGuard[Request]:
    """Return whether it is in flight, and not for our page or metrics: those wait for us."""
    return request is not None and request.scope is not None and OURS not in request.scope


def request_of(task: Any, chain: Chain, within: Request | None) -> Request | None:
    """Return the request that a task serves, being the one in which it began, and in flight;
    `within` is that of its context."""
    request = chain.begun if isinstance(chain.begun, Request) else within
    if not is_the_app_s(request):
        return None
    own = request.scope.get(TASK)
    return request if chain.begun or (own is not None and own() is task) else None


class Look:
    """A look under way."""

    def __init__(
        self,
        loops: Mapping[Any, Looked],
        rules: SiteRules,
        serial: SerialAwaits,
        weight: float,
        scale: float,
        idle: bool = False,
    ) -> None:
        self._loops, self._rules, self._serial = loops, rules, serial
        self._weight, self._scale = weight, scale  # s; requests that one stands for
        self._idle = idle  # a request counts with its age at most
        self._now = clock()
        self._counted: dict[Looked, defaultdict[WaitRow, float]] = {}
        self._awaited: dict[WaitRow, frozenset[int]] = {}
        self._holdings: list[Holding] = []
        self.requests = 0  # tasks of requests in flight, those of child tasks included
        self.unrouted: list[tuple[Looked, Request, WaitKey, float]] = []

    def visit(self, reference: Reference, counts: bool = True) -> None:
        """Look at one task; with `counts`, add up where its request waits."""
        task = reference()
        looked = self._loops.get(loop_of(task)) if task is not None and not task.done() else None
        if looked is None:
            return
        within = context_request(task)
        self.requests += within is not None and within.scope is not None
        chain = chain_of(task)
        if chain is None or not chain.links:
            return
        request = request_of(task, chain, within)
        if counts and request is not None and not request.responded:
            self._count(looked, request, chain)
        self._hold(reference, request or within, chain)

    def _count(self, looked: Looked, request: Request, chain: Chain) -> None:
        if looked.probe.holding is not None:  # what waits now is stalled, if it is ready
            return
        known = known_row(looked.requests.rows, request)
        route = known.route if known is not None else asked_for(request).route
        for seen in suspensions(chain):
            wait = wait_of(seen, self._rules, request)
            self._add(looked, request, wait, seen, route)

    def _add(
        self, looked: Looked, request: Request, wait: Wait, seen: Suspension, route: str | None
    ) -> None:
        age = self._now - request.started
        weight = min(self._weight, max(0.0, age)) if self._idle else self._weight
        key, seconds = wait.key(route or NONE), weight * self._scale * seen.share
        if route is None:
            self.unrouted.append((looked, request, key, seconds))
            return
        serial = 0
        if seen.lone:
            below = seen.links[-wait.place.library].thing if wait.place.library else None
            serial = self._serial.see(request, key, below, clock())
        row = looked.waits.row(key)
        row.add(seconds, wait.unstarted, serial)
        counted = self._counted.setdefault(looked, defaultdict(float))
        counted[row] += self._scale * seen.share
        if wait.objects:
            self._awaited[row] = self._awaited.get(row, frozenset()) | wait.objects

    def _hold(self, reference: Reference, request: Request | None, chain: Chain) -> None:
        found = self._held(chain)
        if found is None:
            return
        stack, place, held = found
        endpoint = route = None
        if request is not None and request.scope is not None:
            route, _, endpoint = asked_for(request)
        site = site_of_wait(stack, place, self._rules, endpoint)
        name = waiter_name(stack, self._rules)
        since = self._now if request is None else request.stepped
        waits = place.call, place.resource
        self._holdings.append(Holding(reference, held, name, site, *waits, route, since))

    def _held(self, chain: Chain) -> tuple[Stack, WaitPlace, frozenset[int]] | None:
        """Return a task's stack, where it waits, and the objects in whose blocks it is; None if it
        is in none."""
        stack = Stack(link.spot for link in reversed(chain.links))
        if not entering(stack) and not insides(stack):
            return None
        place = wait_place(stack, self._rules, FUTURE)
        held = held_objects(chain.links, stack, awaited_objects(chain.links, place))
        return (stack, place, held) if held else None

    def _is_held_still(self, holding: Holding) -> bool:
        """Return whether a task has anything of that yet: the loop had its turns meanwhile."""
        task = holding.task()
        chain = chain_of(task) if task is not None and not task.done() else None
        found = self._held(chain) if chain is not None else None
        return found is not None and not holding.objects.isdisjoint(found[2])

    def end(self, holders: Holders) -> None:
        """Note how many waited at each place, and who has what they wait for."""
        for looked in self._loops.values():
            looked.waits.end_look(self._counted.get(looked, {}))
        wanted = frozenset().union(*self._awaited.values())
        holdings = [h for h in self._holdings if not wanted.isdisjoint(h.objects)]
        holdings = [h for h in holdings if self._is_held_still(h)]
        found = holders.match(holdings, list(self._awaited.values()), self._now)
        for row, objects in self._awaited.items():
            row.holders = found.get(objects) or row.holders
