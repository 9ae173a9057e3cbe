"""The input of the verdict's rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loopwatch.tools.diagnose.concurrency import Concurrency
from loopwatch.tools.diagnose.estimate_records import LoopLine, WaitReport
from loopwatch.tools.diagnose.report_records import (
    Culprit,
    Generator,
    Load,
    RouteReport,
    Throughput,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the rules decide by."""

    seconds: float
    routes: Sequence[RouteReport]
    culprits: Sequence[Culprit]
    throughput: Throughput
    load: Load | None
    generator: Generator | None
    without_cpu: float | None = None  # s of starved stalls in which there was no CPU; None: unknown
    concurrency: Mapping[tuple[str, str], Concurrency] = field(default_factory=dict)  # by route and
    # method, as our own clients measured it
    waits: Sequence[WaitReport] = ()  # most seconds first
    loop_lines: Sequence[LoopLine] = ()  # most seconds first

    @property
    def requests(self) -> int:
        return sum(route.requests for route in self.routes)

    @property
    def worst(self) -> Culprit:
        """The culprit of most seconds; ValueError if there is none."""
        return max(self.culprits, key=lambda culprit: culprit.seconds)

    @property
    def held(self) -> float:
        """Seconds for which stalls held the loop."""
        return sum(culprit.seconds for culprit in self.culprits)
