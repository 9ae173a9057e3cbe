"""From stalls to victims: told once, in time, and every second counted in one place."""

import random
from contextvars import Context
from typing import Any

import pytest
from starlette.applications import Starlette

from loopwatch import Site, Stall
from loopwatch.core import holds
from loopwatch.core.holds import Hold, Wait
from loopwatch.core.record_types import NONE, OTHER
from loopwatch.core.request import Request, begin
from loopwatch.ledger.stall_table import StallTable
from loopwatch.watch import victim_counts as victim_counts
from loopwatch.watch.victim_counts import (
    AGAIN,
    KEPT,
    LATEST,
    PATIENCE,
    VictimCount,
    VictimCounts,
)

ENDED = 100.0


class Book:
    """A table, its accounts, and what was told."""

    def __init__(self) -> None:
        self.table = StallTable()
        self.victim_counts = VictimCounts(self.table)
        self.told: list[Stall] = []

    def open(self, site: str = "shop.load", settled: bool = True) -> Hold:
        stall = Stall(
            started_at=1.0,
            duration=0.5,
            thread="MainThread",
            route="/bad",
            site=Site(site, "/app/shop.py", 1),
        )
        hold = Hold(ENDED - 0.5, ENDED, None, lambda _: settled)
        hold.stall = stall
        self.table.add(stall, hold)
        self.victim_counts.add(VictimCount(stall, hold))
        return hold

    def settle(self, now: float = ENDED, all_of_them: bool = False) -> list[Stall]:
        told = [stall for stall, _ in self.victim_counts.settle(now, all_of_them)]
        self.told += told
        return told

    def blamed(self) -> dict[str, tuple[int, float]]:
        """Return count and seconds by victims' route."""
        return {b.victim_route: (b.count, b.seconds) for b in self.table.blames.readings()}

    def lost(self) -> tuple[int, float]:
        """Return count and seconds of all sites."""
        sites = self.table.sites.readings()
        return sum(s.victims for s in sites), sum(s.lost_request_seconds for s in sites)


@pytest.fixture
def book() -> Book:
    return Book()


def on_route(route: str) -> Request:
    scope = {"type": "http", "path_template": route, "method": "GET"}
    return Context().run(begin, object(), scope)


def wait(hold: Hold, seconds: float = 0.25, route: str = "/good") -> None:
    hold.add(Wait(hold, on_route(route), seconds, seconds, seconds, 0.0, queued=False))


def test_a_stall_is_told_once_with_its_victims_when_all_are_known(book: Book) -> None:
    hold = book.open()
    wait(hold)
    wait(hold, 0.5)
    (stall,) = book.settle()
    assert (stall.victims, stall.lost_request_seconds) == (2, 0.75)
    assert book.settle() == book.settle(ENDED + LATEST + 1) == []


def test_a_stall_waits_for_its_victims_but_not_for_ever(book: Book) -> None:
    hold = book.open(settled=False)
    wait(hold)
    assert book.settle(ENDED + PATIENCE - 0.01) == []
    assert book.blamed() == {"/good": (1, 0.25)}  # counted meanwhile
    assert len(book.settle(ENDED + PATIENCE + 0.01)) == 1
    assert book.settle(ENDED + PATIENCE + 0.02) == []


def before_its_router(hold: Hold) -> dict[str, Any]:
    """Add a victim that `@app.middleware("http")` has not let through to the router yet."""
    scope: dict[str, Any] = {"type": "http", "method": "GET", "app": Starlette()}
    request = Context().run(begin, object(), scope)
    hold.add(Wait(hold, request, 0.25, 0.25, 0.25, 0.0, queued=True))
    return scope


def test_a_victim_before_its_router_is_counted_once_its_route_is_known(book: Book) -> None:
    scope = before_its_router(hold := book.open())
    wait(hold)
    assert book.settle() == []
    assert book.blamed() == {"/good": (1, 0.25)}
    assert book.victim_counts.due_in(ENDED) == AGAIN
    scope |= {"router": object(), "path_template": "/late"}
    assert book.victim_counts.due_in(ENDED) == 0.0
    assert [stall.victims for stall in book.settle()] == [2]
    assert book.blamed() == {"/good": (1, 0.25), "/late": (1, 0.25)}


def test_a_victim_that_stays_before_its_router_is_counted_without_a_route(book: Book) -> None:
    before_its_router(book.open())
    assert book.settle(ENDED + PATIENCE - 0.01) == []
    assert len(book.settle(ENDED + PATIENCE + 0.01)) == 1
    assert book.blamed() == {NONE: (1, 0.25)}
    before_its_router(book.open())
    assert len(book.settle(all_of_them=True)) == 1
    assert book.blamed() == {NONE: (2, 0.5)}
    assert book.settle() == []


def test_at_the_end_all_are_told_at_once(book: Book) -> None:
    book.open(settled=False)
    assert len(book.settle(all_of_them=True)) == 1
    assert book.settle(all_of_them=True) == []


def test_who_is_found_later_is_counted_but_told_no_more(book: Book) -> None:
    hold = book.open()
    wait(hold)
    (told,) = book.settle()
    wait(hold, 0.5)
    assert book.settle(ENDED + 10) == []
    assert (told.victims, told.lost_request_seconds) == (1, 0.25)
    assert book.lost() == (2, 0.75)
    assert book.blamed() == {"/good": (2, 0.75)}
    assert book.table.recent()[0].victims == 2
    assert bool(book.victim_counts)
    book.settle(ENDED + LATEST + 1)
    assert not book.victim_counts
    assert not hold.waits


def test_victims_beyond_the_bound_are_counted_under_other(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "VICTIMS", 3)
    hold = book.open()
    for _ in range(5):
        wait(hold, 0.5)
    (stall,) = book.settle()
    assert (stall.victims, stall.lost_request_seconds) == (5, 2.5)
    assert book.blamed() == {"/good": (3, 1.5), OTHER: (2, 1.0)}
    wait(hold, 0.25)
    book.settle()
    book.settle()
    assert book.blamed() == {"/good": (3, 1.5), OTHER: (3, 1.25)}
    assert book.lost() == (6, 2.75)


def test_of_too_many_accounts_the_oldest_are_told_at_once(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert KEPT >= 256
    monkeypatch.setattr(victim_counts, "KEPT", 4)
    kept = [book.open(f"shop.load{number}", settled=False) for number in range(7)]
    for hold in kept:
        wait(hold)
    assert [stall.site.function for stall in book.settle()] == [f"shop.load{n}" for n in range(3)]
    assert book.lost() == (7, 7 * 0.25)
    assert book.settle() == []
    assert len(book.settle(ENDED + PATIENCE + 1)) == 4


def test_a_request_that_ended_is_counted_on_the_route_it_had(book: Book) -> None:
    class Row:
        route: Any = "/ended"
        method = "GET"
        endpoint = None

    hold = book.open()
    ended, nameless = on_route("/good"), on_route("/good")
    for request in (ended, nameless):
        request.row, request.scope = Row(), None
        hold.add(Wait(hold, request, 0.5, 0.5, 0.5, 0.0, queued=True))
        book.settle()
        Row.route = None
    assert book.blamed() == {"/ended": (1, 0.5), NONE: (1, 0.5)}


@pytest.mark.parametrize("seed", range(3))
def test_all_sums_are_the_same_seconds(
    book: Book, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Of the matrix, the sites and the stalls, however victims come in and are counted."""
    monkeypatch.setattr(holds, "VICTIMS", 20)
    dice = random.Random(seed)
    kept = [book.open(f"shop.load{n % 5}", settled=n % 2 == 0) for n in range(30)]
    for now in range(20):
        for _ in range(60):
            wait(dice.choice(kept), dice.random(), f"/good/{dice.randrange(4)}")
        book.settle(ENDED + now / 4)
    book.settle(ENDED + 10)
    assert len(book.told) == 30
    count, seconds = book.lost()
    matrix = book.table.blames.readings()
    stalls = book.table.recent()
    assert count == sum(b.count for b in matrix) == sum(s.victims for s in stalls) == 20 * 60
    assert sum(b.seconds for b in matrix) == pytest.approx(seconds)
    assert sum(s.lost_request_seconds for s in stalls) == pytest.approx(seconds)
    assert sum(hold.lost for hold in kept) == pytest.approx(seconds)
