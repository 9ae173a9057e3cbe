"""Places that requests share: of a semaphore, a lock or a pool of connections.

Nobody records who takes such a place. But a request that waits for one goes on after a step of
another request, which has given its place back: a handover. Handovers tell at which of its steps
a task of that kind asks for a place, and at which it gives it back. The same steps of the tasks
that did not have to wait do the same. As many tasks as have a place while others wait, so many
places there are.

Not every step of one request after which another one goes on is a handover. One that wakes several
is an event, or an answer that many wait for. A task that has no further step after it was woken has
not had a place over a wait.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import mode
from typing import NamedTuple

from loopwatch.core.breath import breathe
from loopwatch.core.recording import Recording
from loopwatch.replay.wake_ups import Owner, WakeUps, owner

FEWEST = 5  # handovers
AGREED = 0.8  # of the handovers that must be between the same steps


class Kind(NamedTuple):
    """Tasks that do the same."""

    route: str
    name: str  # of the coroutine; empty for the request's own task


class Handover(NamedTuple):
    """One request has given its place to another one."""

    by: int  # the step that gave it
    to: int  # the step that went on with it
    asked: int  # the step that had asked for it


@dataclass(frozen=True, slots=True)
class SharedPlaces:
    """One semaphore, lock or pool."""

    kinds: dict[Kind, tuple[int, int]]  # at which of its plain steps a task asks, and gives back
    places: int
    handovers: tuple[Handover, ...]
    asks: dict[int, int | None]  # by step that asks: the step that goes on, if it had to wait
    gives: tuple[int, ...]  # steps that give a place back

    @property
    def routes(self) -> tuple[str, ...]:
        return tuple(sorted({kind.route for kind in self.kinds}))


class Search:
    """The search for places that requests share."""

    def __init__(self, recording: Recording, found: WakeUps) -> None:
        self.steps = recording.steps
        self.routes = {request.serial: request.route for request in recording.requests}
        self.owned = found.owned
        self.handovers = [*self.candidates(found)]
        woken = {handover.to for handover in self.handovers}
        self.plain = {
            mine: [index for index in indexes if index not in woken]
            for mine, indexes in found.owned.items()
        }
        self.kinds = {mine: self.kind(mine) for mine in self.plain}

    def kind(self, mine: Owner) -> Kind:
        first = self.steps[self.owned[mine][0]]
        return Kind(self.routes.get(first.request, ""), first.name)

    def candidates(self, found: WakeUps) -> Iterator[Handover]:
        """Return the steps of requests that a step of another request woke, one alone."""
        woken = Counter(
            link.parent
            for index, link in enumerate(found.of)
            if link.soon and self.is_other(index, link.parent)
        )
        for index, link in enumerate(found.of):
            breathe()
            mine = owner(self.steps[index])
            if not link.soon or woken.get(link.parent) != 1 or mine is None:
                continue
            chain = self.owned[mine]
            place = bisect_left(chain, index)
            if place and self.is_other(index, link.parent):
                yield Handover(link.parent, index, chain[place - 1])

    def is_other(self, index: int, parent: int) -> bool:
        mine, its = self.steps[index].request, self.steps[parent].request
        return bool(mine and its and mine != its)

    def found(self) -> list[SharedPlaces]:
        """Return what requests share, most handovers first."""
        groups: defaultdict[tuple[Kind, int], list[Handover]] = defaultdict(list)
        for handover in self.handovers:
            at = self.at(handover.asked)
            if at is not None:
                groups[at].append(handover)
        shared = (self.shared(handovers) for handovers in self.joined(groups))
        return sorted(filter(None, shared), key=lambda one: -len(one.handovers))

    def at(self, step: int) -> tuple[Kind, int] | None:
        """Return the kind of task whose step it is, and which of its plain steps, about."""
        mine = owner(self.steps[step])
        if mine is None:
            return None
        return self.kinds[mine], bisect_right(self.plain[mine], step) - 1

    def joined(self, groups: Mapping[tuple[Kind, int], list[Handover]]) -> Iterator[list[Handover]]:
        """Return handovers of the same places: kinds that hand over to each other share them. A
        kind that asks at two of its steps asks for places of two."""
        left = dict(groups)
        while left:
            (kind, _), handovers = left.popitem()
            kinds = {kind}
            while (more := self.sharer(left, handovers, kinds)) is not None:
                handovers = handovers + left.pop(more)
                kinds.add(more[0])
            yield handovers

    def sharer(
        self, left: Iterable[tuple[Kind, int]], handovers: list[Handover], kinds: set[Kind]
    ) -> tuple[Kind, int] | None:
        """Return another kind that gives the same places, and where it asks for them."""
        givers = {self.giver(one) for one in handovers}
        return next((k for k in left if k[0] not in kinds and k[0] in givers), None)

    def giver(self, handover: Handover) -> Kind | None:
        mine = owner(self.steps[handover.by])
        return self.kinds[mine] if mine is not None else None

    def shared(self, handovers: list[Handover]) -> SharedPlaces | None:
        """Return the places of some handovers; None if these do not agree on the steps."""
        if len(handovers) < FEWEST:
            return None
        asked = self.positions((one.asked for one in handovers), len(handovers))
        given = self.positions((one.by for one in handovers), len(handovers))
        if asked is None or given is None:
            return None
        both = [given[kind] - asked[kind] for kind in given if kind in asked]
        apart = mode(both) if both else 0
        if apart < 1:
            return None
        kinds = {kind: (at, given.get(kind, at + apart)) for kind, at in asked.items()}
        kinds |= {kind: (at - apart, at) for kind, at in given.items() if kind not in asked}
        return self.with_places(kinds, handovers)

    def positions(self, steps: Iterator[int], count: int) -> dict[Kind, int] | None:
        """Return the position among its task's plain steps that most steps have, by kind."""
        found: defaultdict[Kind, Counter[int]] = defaultdict(Counter)
        for step in steps:
            if (at := self.at(step)) is not None:
                found[at[0]][at[1]] += 1
        agreed = sum(positions.most_common(1)[0][1] for positions in found.values())
        if agreed < AGREED * count:
            return None
        return {kind: positions.most_common(1)[0][0] for kind, positions in found.items()}

    def with_places(
        self, kinds: dict[Kind, tuple[int, int]], handovers: list[Handover]
    ) -> SharedPlaces | None:
        """Return shared places with every step that asks for one, or gives it back."""
        waited = {one.asked: one.to for one in handovers}
        asks: dict[int, int | None] = {}
        gives: list[int] = []
        spans: list[tuple[float, float]] = []
        held_over = 0
        for mine, plain in self.plain.items():
            position = kinds.get(self.kinds[mine])
            if position is None or not 0 <= position[0] < len(plain):
                continue
            ask, give = plain[position[0]], None
            asks[ask] = waited.get(ask)
            if position[1] < len(plain):
                give = plain[position[1]]
                gives.append(give)
                held_over += asks[ask] is not None
            got = self.steps[ask].ended if asks[ask] is None else self.steps[asks[ask] or 0].started
            spans.append((got, self.steps[give].ended if give is not None else float("inf")))
        if held_over < AGREED * sum(to is not None for to in asks.values()):
            return None
        places = taken(spans, sorted(self.steps[one.asked].ended for one in handovers))
        return SharedPlaces(kinds, places, tuple(handovers), asks, tuple(gives)) if places else None


def taken(spans: list[tuple[float, float]], moments: list[float]) -> int:
    """Return how many spans (s) cover a moment, at most of the moments."""
    begins = sorted(begin for begin, _ in spans)
    ends = sorted(end for _, end in spans)
    return mode(bisect_left(begins, at) - bisect_right(ends, at) for at in moments)


def shared_places(recording: Recording, found: WakeUps) -> list[SharedPlaces]:
    """Return the semaphores, locks and pools for which requests waited, most handovers first."""
    return Search(recording, found).found()
