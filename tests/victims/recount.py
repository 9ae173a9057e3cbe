"""The recount: who waited, how long and for whom, from the logs of client and app alone.

A request waits for the loop from when it was sent until the app began it, and from each moment at
which something it awaited was there until it went on. What of that overlaps a block of another
request is lost to that block. Where loopwatch cannot know since when a request was ready, it may
say what is to be expected; `expected` counts those so, `lost` as it really was.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

EDGE = 0.005  # s: who lost less may be a victim or not, the kernel's clock cannot tell


class Span(NamedTuple):
    start: float
    end: float

    def overlap(self, other: "Span") -> float:
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))

    def holds(self, moment: float) -> bool:
        return self.start <= moment < self.end


class Ready(NamedTuple):
    span: Span
    how: str  # it became so: soon, timer, outside


@dataclass(frozen=True)
class Request:
    """A request as client, app and slow service saw it; moments of perf_counter, s."""

    number: int
    route: str
    sent: float
    received: float
    begun: float
    ended: float
    ready: tuple[Ready, ...]  # by start, apart from each other; the last lasts until the end
    block: Span | None

    @property
    def queued(self) -> Span:
        return Span(self.sent, self.begun)


class Loss(NamedTuple):
    """What one request lost to one block, s."""

    queued: float
    stalled: float
    expected: float  # `stalled`, as far as it can be known

    @property
    def lost(self) -> float:
        return self.queued + self.stalled


@dataclass(frozen=True)
class Recount:
    """All requests of a run, and what each lost to which block."""

    requests: list[Request]
    known: frozenset[str]  # the ways of becoming ready whose moment loopwatch can know

    def blocks(self) -> dict[int, Span]:
        """Return the blocks by the number of their request."""
        return {r.number: r.block for r in self.requests if r.block is not None}

    def stalled(self, request: Request) -> float:
        others = [block for n, block in self.blocks().items() if n != request.number]
        return sum(ready.span.overlap(block) for ready in request.ready for block in others)

    def loss(self, request: Request, block: Span) -> Loss:
        stalled = expected = 0.0
        idle_since = request.begun
        for ready in request.ready:
            lost = ready.span.overlap(block)
            stalled += lost
            unknown = ready.how not in self.known and block.holds(ready.span.start)
            expected += expectation(block, block.start - idle_since) if unknown else lost
            idle_since = ready.span.end
        return Loss(request.queued.overlap(block), stalled, expected)

    def losses(self, culprit: int) -> dict[int, Loss]:
        """Return what each victim of a block lost, by the victim's number."""
        block = self.blocks()[culprit]
        found = {r.number: self.loss(r, block) for r in self.requests if r.number != culprit}
        return {number: loss for number, loss in found.items() if loss.lost > 0.0}


def expectation(block: Span, waited: float) -> float:
    """Return the seconds lost to a block by who became ready in it, nobody knows when, after it
    had waited for so long as the block began: how long it waits has no scale preferred."""
    held, waited = block.end - block.start, max(waited, 0.001)
    return held + waited - held / math.log1p(held / waited)


def apart(ready: list[Ready], ended: float) -> tuple[Ready, ...]:
    """Return spans in order, those that overlap made one; the last lasts until `ended`."""
    joined: list[Ready] = []
    for span, how in sorted(ready):
        if joined and span.start < joined[-1].span.end:
            before = joined.pop()
            whole = Span(before.span.start, max(before.span.end, span.end))
            joined.append(Ready(whole, before.how))
        else:
            joined.append(Ready(span, how))
    if joined:
        last = joined.pop()
        joined.append(Ready(Span(last.span.start, ended), last.how))
    return tuple(joined)
