"""What latency on one loop would be if something were different, or why nobody can tell.

A prediction is worth as much as the model it comes from. So the recording is replayed as it was,
first: if that does not give the latency that was measured, nothing else is told. A request for
which a change makes no difference is told to take no longer than it did.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from math import inf

from loopwatch.core.foreseeing import WhatIf
from loopwatch.core.record_types import Stall
from loopwatch.core.recording import Recording
from loopwatch.replay.parted_gaps import parted
from loopwatch.replay.prediction import Name, Pair, Prediction
from loopwatch.replay.scenario import Scenario, Slow
from loopwatch.replay.shared_places import SharedPlaces
from loopwatch.replay.slow_parts import slow_steps
from loopwatch.replay.worker_model import UNBOUNDED, WaitingWorkers, WorkingWorkers

FEWEST = 20  # requests
KNOWN = ("asyncio", "uvloop")
UNKNOWN = 0.1  # of the busy time, in steps of which nobody knows what made them ready
NEAR, CLOSE = 0.25, 0.005  # share, s: how far a replay as it was may be from what was measured
WITH_GIL = ("cpu", "native_gil")
SAME, SAME_SHARE = 0.001, 0.01  # s, share: by which a replay may differ where nothing has changed
ABSENT = "nothing of the kind"  # how the reason begins if a loop is not concerned


class LoopReplay:
    """Predictions from one recording.

    Args:
        recording: of one loop.
        stalls: those that were seen meanwhile; further ones do no harm.
        since: requests that arrived before this moment (clock, s) do not count.
    """

    def __init__(
        self, recording: Recording, stalls: Iterable[Stall] = (), since: float = 0.0
    ) -> None:
        self.recording = parted(recording)
        self.stalls = tuple(stalls)
        self.since = since

    @cached_property
    def scenario(self) -> Scenario:
        return Scenario.of(self.recording, self.since)

    @property
    def shared(self) -> Sequence[SharedPlaces]:
        """The semaphores, locks and pools for which requests waited, most handovers first."""
        return self.scenario.shared

    def removed(self, sites: Collection[str]) -> Prediction:
        """Return the prediction if what sites do to hold the loop were not done at all."""
        slow = self.slow(self.of(sites))
        return self.predict({step: Slow(one.rest, 0.0) for step, one in slow.items()})

    def with_places(self, route: str, places: int) -> Prediction:
        """Return the prediction if the semaphore, lock or pool for which requests of a route wait
        had so many places."""
        for number, shared in enumerate(self.shared):
            if route in shared.routes:
                return self.predict({}, places={number: places})
        return Prediction(reason=f"{ABSENT} made requests of {route} wait for each other")

    def elsewhere(
        self, sites: Collection[str], threads: int = UNBOUNDED, *, gil: bool | None = None
    ) -> Prediction:
        """Return the prediction if that were done in so many threads; None: with the GIL if the
        cause of the stalls says so."""
        mine = self.of(sites)
        gil = any(stall.cause in WITH_GIL for stall in mine) if gil is None else gil
        workers = (
            WorkingWorkers(threads, sys.getswitchinterval()) if gil else WaitingWorkers(threads)
        )
        return self.predict(self.slow(mine), workers=workers)

    def of(self, sites: Collection[str]) -> list[Stall]:
        return [stall for stall in self.stalls if stall.site.function in sites]

    def slow(self, stalls: Iterable[Stall]) -> dict[int, Slow]:
        return slow_steps(self.recording, stalls)

    def predict(
        self,
        slow: Mapping[int, Slow],
        *,
        workers: WaitingWorkers | WorkingWorkers | None = None,
        places: Mapping[int, int] | None = None,
    ) -> Prediction:
        reason = self.checked.reason
        if not reason and not slow and not places:
            reason = f"{ABSENT} held a step, in the {self.span:.0f} s that are recorded"
        if reason:
            return Prediction(reason=reason)
        return Prediction(pairs=self.paired(self.no_slower(self.replayed(slow, workers, places))))

    def no_slower(self, latencies: Sequence[float]) -> list[float]:
        """Return a replay's latencies; none is longer than measured where nothing changes."""
        return [
            no_slower(answer.latency, again, then)
            for answer, again, then in zip(
                self.scenario.answers, self.again, latencies, strict=True
            )
        ]

    @cached_property
    def again(self) -> list[float]:
        """The latencies of a replay in which nothing is different, s."""
        return self.replayed({})

    def replayed(
        self,
        slow: Mapping[int, Slow],
        workers: WaitingWorkers | WorkingWorkers | None = None,
        places: Mapping[int, int] | None = None,
    ) -> list[float]:
        """Return the latency (s) of each answer of the scenario; infinite if it never comes."""
        model = self.scenario.model(slow, workers, places)
        model.run()
        return self.scenario.latencies(model, slow)

    @cached_property
    def as_it_was(self) -> Prediction:
        """A replay in which nothing is different; with the reason if it does not give what was."""
        again = Prediction(pairs=self.paired(self.again))
        for row in again.routes:
            if row.requests >= FEWEST and (wrong := unlike(row)) is not None:
                was, then = wrong
                reason = (
                    f"a replay of the recording as it was gives {then * 1000:.0f} ms for "
                    f"{row.route}, where {was * 1000:.0f} ms were measured"
                )
                return Prediction(pairs=again.pairs, reason=reason)
        return again

    @property
    def checked(self) -> Prediction:
        """`as_it_was`, unless the recording does not suffice for any replay."""
        return Prediction(reason=self.reason) if self.reason else self.as_it_was

    def paired(self, latencies: Sequence[float]) -> dict[Name, tuple[Pair, ...]]:
        """Return each answer's latency as it was and as it is in a replay, by route and method."""
        found: defaultdict[Name, list[Pair]] = defaultdict(list)
        for answer, then in zip(self.scenario.answers, latencies, strict=True):
            if then < inf:
                found[answer.route, answer.method].append((answer.latency, then))
        return {name: tuple(pairs) for name, pairs in found.items()}

    @property
    def span(self) -> float:
        return self.recording.until - self.recording.since

    @cached_property
    def reason(self) -> str:
        """Why the recording does not suffice; empty if it does."""
        recording = self.recording
        if recording.loop not in KNOWN:
            return f"how a loop of the kind {recording.loop} queues its callbacks is not known"
        count = len(self.scenario.answers)
        if count < FEWEST:
            return f"{count} requests began and ended within the recording, {FEWEST} are needed"
        busy = sum(step.ended - step.started for step in recording.steps)
        if self.scenario.found.unknown > UNKNOWN * busy:
            share = self.scenario.found.unknown / busy
            return f"of {share:.0%} of the busy time it is not known what made its steps ready"
        return ""


def no_slower(measured: float, again: float, then: float) -> float:
    """Return a replay's latency `then`, s; no more than was measured if a replay as it was gives
    nearly the same (`again`): the model is too slow, and nothing changes. (To take its error off
    others was tried: what it is off by is often of the very wait that is over.)"""
    same = abs(then - again) <= max(SAME, SAME_SHARE * again) < inf
    return min(then, measured) if same else then


def unlike(row: WhatIf) -> Pair | None:
    """Return a quantile of a replay as it was that is far from the one measured, after that."""
    now, then = row.now, row.then
    for was, again in ((now.p50, then.p50), (now.p90, then.p90), (now.p99, then.p99)):
        if abs(was - again) > max(CLOSE, NEAR * was):
            return was, again
    return None
