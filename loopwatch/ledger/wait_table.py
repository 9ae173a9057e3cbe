"""Where requests waited, by route, place and resource. One thread writes; any thread reads."""

from __future__ import annotations

from typing import NamedTuple

from loopwatch.core.record_types import NONE, OTHER, Holder, Site, WaitReading
from loopwatch.ledger.counts import Table

ROWS = 1024  # of route, line, call, resource and peer
PLACES = 64  # functions, then `_OTHER`
PEERS = 64  # then none is named


class WaitKey(NamedTuple):
    """What one row is about."""

    route: str
    place: Site
    call: str = ""
    resource: str = "unknown"
    peer: str = ""


REST = WaitKey(OTHER, Site(OTHER, exact=False))


class WaitRow:
    """The sums of one key."""

    __slots__ = ("holders", "key", "looks", "most", "seconds", "serial", "unstarted", "waiting")

    def __init__(self, key: WaitKey) -> None:
        self.key = key
        self.seconds = self.unstarted = 0.0  # request-seconds
        self.looks = self.waiting = self.most = self.serial = 0
        self.holders: tuple[Holder, ...] = ()

    def add(self, seconds: float, unstarted: bool = False, serial: int = 0) -> None:
        """Add one request as one look saw it; it stands for so many request-seconds."""
        self.seconds += seconds
        self.unstarted += seconds if unstarted else 0.0
        self.looks += 1
        self.serial = max(self.serial, serial)

    def count(self, waiting: int) -> None:
        """Note how many requests waited there at the latest look."""
        self.waiting = waiting
        self.most = max(self.most, waiting)

    def reading(self) -> WaitReading:
        route, place, call, resource, peer = self.key
        return WaitReading(
            route=route,
            place=place,
            call=call,
            resource=resource,
            peer=peer,
            seconds=self.seconds,
            looks=self.looks,
            waiting=self.waiting,
            most_waiting=self.most,
            holders=self.holders,
            unstarted=self.unstarted,
            serial=self.serial,
        )


class WaitTable:
    """The rows of one loop."""

    def __init__(self) -> None:
        self._rows: Table[WaitKey, WaitRow] = Table(ROWS, lambda: WaitRow(REST))
        self._places: Table[str, bool] = Table(PLACES, lambda: False)
        self._peers: Table[str, bool] = Table(PEERS, lambda: False)
        self._waiting: set[WaitRow] = set()  # those at which requests waited at the latest look

    @property
    def overflow(self) -> int:
        return self._rows.overflow + self._places.overflow + self._peers.overflow

    def row(self, key: WaitKey) -> WaitRow:
        """Return the row of a key, or one of those that stand for all beyond a bound."""
        return self._rows.find(key) or self._new_row(key)

    def _new_row(self, key: WaitKey) -> WaitRow:
        place, peer = key.place, key.peer
        if place.function != NONE and not self._places.get(place.function, lambda: True):
            key = REST._replace(route=key.route, resource=key.resource)
        elif peer and not self._peers.get(peer, lambda: True):
            key = key._replace(peer="")
        return self._rows.get(key, lambda: WaitRow(key))

    def end_look(self, waiting: dict[WaitRow, float]) -> None:
        """Note how many requests waited at each row at a look that is over."""
        for row in self._waiting - waiting.keys():
            row.count(0)
        for row, requests in waiting.items():
            row.count(round(requests))
        self._waiting = set(waiting)

    def readings(self) -> dict[WaitKey, WaitReading]:
        return {row.key: row.reading() for row in self._rows}


def add_waits(one: WaitReading, two: WaitReading) -> WaitReading:
    """Return the sum of two readings of one key, of two loops; `two` is the later one."""
    return WaitReading(
        route=one.route,
        place=one.place,
        call=one.call,
        resource=one.resource,
        peer=one.peer,
        seconds=one.seconds + two.seconds,
        looks=one.looks + two.looks,
        waiting=one.waiting + two.waiting,
        most_waiting=max(one.most_waiting, two.most_waiting),
        holders=two.holders or one.holders,
        unstarted=one.unstarted + two.unstarted,
        serial=max(one.serial, two.serial),
    )
