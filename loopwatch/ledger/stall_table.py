"""Stalls by site, and the latest stalls. Written under the watch's lock."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from loopwatch.core.exemplars import Exemplar, Exemplars
from loopwatch.core.histogram import SECONDS_EDGES
from loopwatch.core.holds import Hold
from loopwatch.core.record_types import NONE, OTHER, SiteReading, Stall
from loopwatch.ledger.blames import BlameTable
from loopwatch.ledger.counts import Counts, Table
from loopwatch.ledger.profile import Profile

KEPT = 256  # stalls
SITES = 64
ROWS = 1024  # of route x site x cause


class StallTable:
    """A ring of the latest stalls, histograms of all by site, and their profile.

    Stalls that the user allows are only in their own histograms.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[Stall, Hold | None]] = deque(maxlen=KEPT)
        self.count = 0
        self.sites, self.allowed = SiteTable(), SiteTable()
        self.profile = Profile()
        self.blames = BlameTable()

    @property
    def overflow(self) -> int:
        return self.sites.overflow + self.allowed.overflow

    def recent(self) -> tuple[Stall, ...]:
        """Return the latest stalls, oldest first, with the victims known by now."""
        return tuple(with_victims(stall, hold) for stall, hold in [*self._recent])

    def add(self, stall: Stall, hold: Hold | None = None) -> None:
        self._recent.append((stall, hold))
        self.count += 1
        self.sites.add(stall)
        self.profile.add(stall)

    def allow(self, stall: Stall) -> None:
        self.allowed.add(stall)

    def blame(self, stall: Stall, victim: str, count: int, seconds: float) -> None:
        """Add requests of route `victim` that waited for a stall."""
        site = self.sites.blame(stall, count, seconds)
        self.blames.add(site, stall.route or NONE, victim, count, seconds)


def with_victims(stall: Stall, hold: Hold | None) -> Stall:
    if hold is None or not hold.victims:
        return stall
    return replace(stall, victims=hold.victims, lost_request_seconds=hold.lost)


class SiteTable:
    """A histogram by route, site and cause."""

    def __init__(self) -> None:
        self._sites: Table[str, str] = Table(SITES, lambda: OTHER)
        self._rows: Table[tuple[str, str, str], SiteRow] = Table(
            ROWS, lambda: SiteRow(OTHER, OTHER, "unknown")
        )
        self._changed: set[SiteRow] = set()

    @property
    def overflow(self) -> int:
        return self._sites.overflow + self._rows.overflow

    def add(self, stall: Stall) -> None:
        row = self._row(stall)
        row.add(stall)
        self._changed.add(row)

    def changed(self) -> tuple[SiteReading, ...]:
        """Return the rows with new stalls since the last call."""
        rows, self._changed = self._changed, set()
        return tuple(row.reading() for row in rows)

    def blame(self, stall: Stall, count: int, seconds: float) -> str:
        """Add victims of a stall that was added before; return its site's label."""
        row = self._row(stall)
        row.victims += count
        row.lost += seconds
        return row.site

    def _row(self, stall: Stall) -> SiteRow:
        site = self._sites.get(stall.site.function, lambda: stall.site.function)
        key = stall.route or NONE, site, stall.cause
        return self._rows.get(key, lambda: SiteRow(*key))

    def readings(self) -> tuple[SiteReading, ...]:
        return tuple(row.reading() for row in self._rows)


class SiteRow:
    """The stalls of one route, site and cause."""

    def __init__(self, route: str, site: str, cause: str) -> None:
        self.route, self.site, self.cause = route, site, cause
        self.stalls, self.exemplars = Counts(), Exemplars(SECONDS_EDGES)
        self.victims, self.lost = 0, 0.0

    def add(self, stall: Stall) -> None:
        self.stalls.add(stall.duration)
        if stall.trace_sampled and stall.trace_id is not None and stall.span_id is not None:
            ended = stall.started_at + stall.duration
            self.exemplars.keep(Exemplar(stall.duration, ended, stall.trace_id, stall.span_id))

    def reading(self) -> SiteReading:
        return SiteReading(
            route=self.route,
            site=self.site,
            cause=self.cause,
            stalls=replace(self.stalls.reading(), exemplars=self.exemplars.reading()),
            victims=self.victims,
            lost_request_seconds=self.lost,
        )
