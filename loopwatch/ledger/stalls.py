"""Stalls by site, and the latest of them. Written under the watch's lock."""

from __future__ import annotations

from collections import deque

from loopwatch.ledger.counts import Counts, Table
from loopwatch.ledger.profile import Profile
from loopwatch.records import NONE, OTHER, SiteReading, Stall

KEPT = 256  # stalls
SITES = 64
ROWS = 1024  # of route x site x cause


class StallTable:
    """The ring of stalls, histograms of all by site, and their profile.

    Those that the user allows are in histograms of their own, and nowhere else.
    """

    def __init__(self) -> None:
        self.recent: deque[Stall] = deque(maxlen=KEPT)
        self.count = 0
        self.sites, self.allowed = SiteTable(), SiteTable()
        self.profile = Profile()

    @property
    def overflow(self) -> int:
        return self.sites.overflow + self.allowed.overflow

    def add(self, stall: Stall) -> None:
        self.recent.append(stall)
        self.count += 1
        self.sites.add(stall)
        self.profile.add(stall)

    def allow(self, stall: Stall) -> None:
        self.allowed.add(stall)


class SiteTable:
    """A histogram by route, site and cause."""

    def __init__(self) -> None:
        self._sites: Table[str, str] = Table(SITES, lambda: OTHER)
        self._rows: Table[tuple[str, str, str], SiteRow] = Table(
            ROWS, lambda: SiteRow(OTHER, OTHER, "unknown")
        )

    @property
    def overflow(self) -> int:
        return self._sites.overflow + self._rows.overflow

    def add(self, stall: Stall) -> None:
        site = self._sites.get(stall.site.function, lambda: stall.site.function)
        key = stall.route or NONE, site, stall.cause
        self._rows.get(key, lambda: SiteRow(*key)).stalls.add(stall.duration)

    def readings(self) -> tuple[SiteReading, ...]:
        return tuple(
            SiteReading(route=r.route, site=r.site, cause=r.cause, stalls=r.stalls.reading())
            for r in self._rows
        )


class SiteRow:
    """The stalls of one route, site and cause."""

    def __init__(self, route: str, site: str, cause: str) -> None:
        self.route, self.site, self.cause = route, site, cause
        self.stalls = Counts()
