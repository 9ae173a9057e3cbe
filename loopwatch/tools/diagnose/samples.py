"""The results of a load: one sample for each request."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One request. Times are seconds after the beginning of the load."""

    kind: int  # which of the plan's shots
    due: float
    late: float  # s after `due` that it was sent
    latency: float  # s from `due` to the last byte; for a failure, to when it was given up
    outcome: str  # the status, or `timeout`, `connection`, `unsent`

    @property
    def failed(self) -> bool:
        return not self.outcome.isdigit() or self.outcome >= "500"

    @property
    def sent(self) -> float:
        return self.due + self.late

    @property
    def done(self) -> float:
        return self.due + self.latency


@dataclass(slots=True)
class Tally:
    """The samples so far, and the state of the generator itself."""

    samples: list[Sample]
    due: int = 0  # requests whose time has come
    in_flight: int = 0
    most_in_flight: int = 0
    limit: int = 0  # connections that may be open
    elapsed: float = 0.0  # s from the first due time to the last
    cpu: float = 0.0  # share of one core that this process used
    interrupted: bool = False

    @property
    def errors(self) -> int:
        return sum(sample.failed for sample in self.samples)

    def by_status(self) -> dict[str, int]:
        return dict(sorted(Counter(sample.outcome for sample in self.samples).items()))
