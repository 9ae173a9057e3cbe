"""From a stall to its victims: what the loop's thread has noted is counted here, off the loop.

A stall is told when all its victims should be known, at the latest `PATIENCE` after it ended. Who
is found later (in its socket, behind a long queue) is still counted, but told no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from loopwatch.core.holds import Hold
from loopwatch.core.record_types import NONE, OTHER, Stall
from loopwatch.explain.route import place
from loopwatch.ledger.stall_table import StallTable, with_victims

PATIENCE = 1.0  # s
LATEST = 60.0  # s after a hold: then its victims are counted no more
KEPT = 1024  # accounts; of more than that the oldest are told at once


class Account:
    """One stall, its hold, and what has been counted of it."""

    __slots__ = ("beyond", "beyond_lost", "hold", "stall", "told")

    def __init__(self, stall: Stall, hold: Hold) -> None:
        self.stall, self.hold = stall, hold
        self.beyond = 0
        self.beyond_lost = 0.0
        self.told = False

    def settled(self, now: float) -> bool:
        return now - self.hold.ended > PATIENCE or self.hold.settled(self.hold)


class Accounts:
    """The stalls whose victims are still being counted; used under the reporter's lock."""

    def __init__(self, table: StallTable) -> None:
        self.table = table
        self._open: deque[Account] = deque()

    def __bool__(self) -> bool:
        return bool(self._open)

    def add(self, account: Account) -> None:
        self._open.append(account)

    def settle(self, now: float, all_of_them: bool = False) -> Iterator[tuple[Stall, Hold]]:
        """Count victims found since the last time; return stalls that can be told by now."""
        surplus = len(self._open) - KEPT
        for number, account in enumerate([*self._open]):
            self._count(account)
            if not account.told and (all_of_them or number < surplus or account.settled(now)):
                account.told = True
                yield with_victims(account.stall, account.hold), account.hold
        while self._open and (len(self._open) > KEPT or now - self._open[0].hold.ended > LATEST):
            self._open.popleft()

    def _count(self, account: Account) -> None:
        hold, stall = account.hold, account.stall
        while hold.waits:
            wait = hold.waits.popleft()
            self.table.blame(stall, place(wait.request).route or NONE, 1, wait.seconds)
        beyond, lost = hold.beyond, hold.beyond_lost
        if beyond > account.beyond:
            count, seconds = beyond - account.beyond, lost - account.beyond_lost
            self.table.blame(stall, OTHER, count, seconds)
            account.beyond, account.beyond_lost = beyond, lost
