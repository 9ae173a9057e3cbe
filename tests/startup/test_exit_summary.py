"""What a process says as it exits."""

import dataclasses

from loopwatch.core.histogram import SECONDS_EDGES, Histogram
from loopwatch.core.record_types import NONE, Site, SiteReading, Stall
from loopwatch.startup.exit_summary import summary
from tests.conftest import private_watch


def row(route: str, site: str, count: int, seconds: float, victims: int = 0) -> SiteReading:
    stalls = Histogram.of_first(SECONDS_EDGES, count, seconds)
    return SiteReading(
        route=route,
        site=site,
        cause="cpu",
        stalls=stalls,
        victims=victims,
        lost_request_seconds=victims * 0.5,
    )


def told(*rows: SiteReading, stalls: tuple[Stall, ...] = ()) -> list[str]:
    empty = private_watch().snapshot()
    return summary(dataclasses.replace(empty, sites=rows, stalls=stalls)).splitlines()


def test_no_stall_is_one_line() -> None:
    assert told() == ["loopwatch: no stall held a loop"]


def test_culprits_come_with_their_place_most_seconds_first() -> None:
    site = Site("shop.bad", "/app/shop.py", 12, "time.sleep(\n    1\n)")
    stall = Stall(
        started_at=0.0, duration=1.0, route="/bad", method="GET", site=site, advice="Do it so."
    )
    rows = row(NONE, "shop.tick", 1, 0.2), row("/bad", "shop.bad", 3, 1.5, 2)
    assert told(*rows, row("/bad", "shop.bad", 1, 0.25), stalls=(stall,)) == [
        "loopwatch: 5 stalls held a loop for 1.95 s in all",
        "  1.75 s in 4 stalls: GET /bad, shop.bad (shop.py:12): time.sleep( 1 ); "
        "2 requests waited 1.00 s",
        "    Do it so.",
        "  0.20 s in 1 stall: outside any request, shop.tick",
    ]


def test_a_line_that_is_not_certain_is_said_to_be_near() -> None:
    site = Site("shop.bad", "/app/shop.py", 12, "", exact=False)
    stall = Stall(started_at=0.0, duration=1.0, route="/bad", method="GET", site=site)
    assert told(row("/bad", "shop.bad", 1, 1.0), stalls=(stall,))[1].endswith(
        "shop.bad (near shop.py:12)"
    )


def test_many_culprits_are_counted() -> None:
    lines = told(*(row("/bad", f"shop.f{n}", 1, 1.0) for n in range(13)))
    assert len(lines) == 12
    assert lines[-1] == "  and 3 other culprits"


def test_hostile_names_are_escaped() -> None:
    text = "\n".join(told(row("/bad", "shop.\x1b[2J", 1, 1.0)))
    assert "\x1b" not in text
