"""The frozen data of a diagnosis: what was read, what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loopwatch.core.record_types import Snapshot, Stall
from loopwatch.tools.diagnose.difference import difference
from loopwatch.tools.diagnose.plan import Plan
from loopwatch.tools.diagnose.report_records import Command
from loopwatch.tools.diagnose.samples import Tally
from loopwatch.tools.diagnose.watching import Reading, TailsReading


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Our own load: the plan and its results."""

    plan: Plan
    tally: Tally
    began: float  # on time.monotonic's clock
    routes: Mapping[int, str | None]  # the server's template, by kind of request

    def name(self, kind: int) -> tuple[str, str]:
        """Return the route (or, if the server has none, the path) and method of a kind."""
        shot = self.plan.shots[kind]
        return self.routes.get(kind) or shot.path.partition("?")[0], shot.method


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The data measured from the first reading to the last."""

    app: str | None  # the import string; None if attached
    url: str
    source_readable: bool  # whether the app's files are this machine's
    readings: tuple[Reading, ...]  # in order, the first and the last included
    until: float  # on time.monotonic's clock: the end of the load, before the last reading
    change: Snapshot  # the last less the first
    stalls: tuple[Stall, ...]  # oldest first
    tails: TailsReading | None
    missed: int  # readings that did not come
    ended: str | None  # how the app ended during it; None: it did not
    sent: Sent | None  # None if attached
    command: Command | None
    outside: tuple[str, ...] = ()  # what cannot be known, if the process was seen from outside

    @property
    def first(self) -> Reading:
        return self.readings[0]

    @property
    def seconds(self) -> float:
        return self.readings[-1].at - self.first.at

    @property
    def began(self) -> float:
        """The origin of all times named `at`, on time.monotonic's clock."""
        return self.sent.began if self.sent is not None else self.first.at

    @property
    def loaded(self) -> Snapshot:
        """The changes during the load, to the precision of the readings' period."""
        under = [r for r in self.readings[1:] if r.at <= self.until]
        return difference(self.first.snapshot, under[-1].snapshot) if under else self.change

    @property
    def to_unix(self) -> float:
        """Seconds from time.monotonic's clock to the server's Unix time."""
        return self.first.snapshot.taken_at - self.first.at
