"""Waits by the culprit's site and route and the victim's route."""

from __future__ import annotations

from loopwatch.core.record_types import OTHER, BlameReading
from loopwatch.ledger.counts import Table

ROWS = 1024


class BlameTable:
    """Counts and seconds of waits; written under the reporter's lock."""

    def __init__(self) -> None:
        self._rows: Table[tuple[str, str, str], BlameRow] = Table(
            ROWS, lambda: BlameRow(OTHER, OTHER, OTHER)
        )

    @property
    def overflow(self) -> int:
        return self._rows.overflow

    def add(self, site: str, culprit: str, victim: str, count: int, seconds: float) -> None:
        """Add the time that requests of route `victim` waited for a site."""
        key = site, culprit, victim
        row = self._rows.get(key, lambda: BlameRow(*key))
        row.count += count
        row.seconds += seconds

    def readings(self) -> tuple[BlameReading, ...]:
        """Return all rows, most seconds first."""
        rows = sorted(self._rows, key=lambda row: -row.seconds)
        return tuple(row.reading() for row in rows)


class BlameRow:
    def __init__(self, site: str, culprit: str, victim: str) -> None:
        self.site, self.culprit, self.victim = site, culprit, victim
        self.count, self.seconds = 0, 0.0

    def reading(self) -> BlameReading:
        return BlameReading(
            site=self.site,
            culprit_route=self.culprit,
            victim_route=self.victim,
            count=self.count,
            seconds=self.seconds,
        )
