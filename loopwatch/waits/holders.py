"""Who has what requests wait for: the tasks in whose blocks the same objects are, look by look."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from loopwatch.core.known_tasks import Reference
from loopwatch.core.record_types import Holder, Site

NAMED = 8  # holders of one row
REVISITED = 32  # tasks that were seen to hold something, looked at again whatever is chosen


class Holding(NamedTuple):
    """A task that has something, as one look saw it."""

    task: Reference
    objects: frozenset[int]  # addresses, valid during the look
    name: str
    site: Site
    call: str  # what it awaits itself
    resource: str  # and waits for
    route: str | None
    since: float  # clock, s: it has been suspended there since then


class Holders:
    """The holders of one look after the other."""

    def __init__(self) -> None:
        self._since: dict[tuple[Reference, int], float] = {}  # clock, s
        self.tasks: list[Reference] = []  # to look at again

    def match(
        self, holdings: Iterable[Holding], awaited: Iterable[frozenset[int]], now: float
    ) -> dict[frozenset[int], tuple[Holder, ...]]:
        """Return the holders of each set of objects that is waited for."""
        wanted = frozenset().union(*awaited)
        found = [h for h in holdings if not wanted.isdisjoint(h.objects)]
        self._note(found, wanted)
        return {
            objects: tuple(
                self._holder(h, objects, now) for h in found if not objects.isdisjoint(h.objects)
            )[:NAMED]
            for objects in set(awaited)
        }

    def _note(self, found: list[Holding], wanted: frozenset[int]) -> None:
        pairs = {(h.task, thing): h.since for h in found for thing in h.objects & wanted}
        self._since = {pair: self._since.get(pair, since) for pair, since in pairs.items()}
        self.tasks = list(dict.fromkeys(h.task for h in found))[:REVISITED]

    def _holder(self, holding: Holding, objects: frozenset[int], now: float) -> Holder:
        common = objects & holding.objects
        since = min(self._since.get((holding.task, thing), now) for thing in common)
        return Holder(
            task=holding.name,
            site=holding.site,
            route=holding.route,
            seconds=max(0.0, now - since),
            call=holding.call,
            resource=holding.resource,
        )
