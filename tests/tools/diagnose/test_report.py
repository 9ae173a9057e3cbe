"""The report as a whole: what is put together, and what it says it cannot say."""

import pytest

from loopwatch.core.recent import RECENT, RecentRequest
from loopwatch.core.tails import AT, route_tails
from loopwatch.tools.diagnose.report import report, without_cpu
from loopwatch.tools.diagnose.report_records import Command
from loopwatch.tools.diagnose.routes import ENOUGH
from loopwatch.tools.diagnose.samples import Sample
from loopwatch.tools.diagnose.watching import TailsReading
from tests.tools.diagnose.made import (
    blame,
    measurement,
    plan,
    requests,
    sent,
    site,
    snapshot,
    stall,
)


def tails(count: int, latency: float = 0.02) -> TailsReading:
    latest = [
        RecentRequest.of("/good", "GET", 0.0, (latency, 0.0, 0.001, 0.0), ()) for _ in range(count)
    ]
    told = route_tails("/good", "GET", latest)
    return TailsReading(python="3.11.7", at=AT, routes=(told,) if told is not None else ())


def samples(count: int, outcome: str = "200") -> list[Sample]:
    return [Sample(0, n / 10, 0.0, 0.05, outcome) for n in range(count)]


CHANGE = snapshot(
    requests=(requests("/good", 100),),
    sites=(site(2, lost_request_seconds=3.0),),
    blames=(blame(3.0),),
    stall_count=2,
    busy=1.0,
    idle=9.0,
    dropped={"labels": 2, "log": 7, "looks": 9, "routes": 0},
)


def test_clients_and_server_are_told_side_by_side() -> None:
    load = sent([*samples(99), *samples(1, "500")], plan(duration=10.0))
    made = report(
        measurement(
            snapshot(), CHANGE, change=CHANGE, sent=load, tails=tails(100), stalls=(stall(1.0),)
        )
    )
    [good] = made.routes
    assert (good.requests, good.errors, good.sampled, good.lost) == (100, 1, 100, 3.0)
    assert good.sent == 100
    assert good.client is not None
    assert good.server is not None
    assert (good.client.p99, good.server.p99) == (0.05, 0.02)
    assert good.unexplained is not None
    assert abs(good.unexplained - 0.03) < 1e-9
    assert made.load is not None
    assert (made.load.sent, made.load.answered, made.load.by_status) == (
        100,
        100,
        {"200": 99, "500": 1},
    )
    assert made.dropped == {"labels": 2}  # nothing is lost by what the log leaves out
    [shown] = made.distributions
    assert (len(shown.at), len(shown.now), len(shown.client)) == (len(AT),) * 3
    assert any("Clients waited 30 ms a request to /good beyond" in note for note in made.notes)


def test_path_that_is_no_route_has_a_row_of_its_own() -> None:
    load = sent(samples(20, "404"), plan("/nowhere?q=1", duration=2.0), routes={0: None})
    made = report(measurement(change=snapshot(), sent=load, tails=tails(0)))
    [row] = made.routes
    assert (row.route, row.requests, row.server) == ("/nowhere", 0, None)
    assert made.notes == ("GET /nowhere matches no route that the app reports.",)


def test_percentiles_are_of_the_histogram_where_too_few_requests_are_remembered() -> None:
    many = snapshot(requests=(requests("/good", int(RECENT / ENOUGH) + 1),))
    [few] = report(measurement(change=many, tails=tails(RECENT, 0.4))).routes
    assert few.server is not None
    assert few.server.p99 < 0.03
    enough = snapshot(requests=(requests("/good", int(RECENT / ENOUGH)),))
    made = report(measurement(change=enough, tails=tails(RECENT, 0.4)))
    assert made.routes[0].server is not None
    assert made.routes[0].server.p99 == 0.4
    assert f"latest {RECENT} of {int(RECENT / ENOUGH)} requests" in made.notes[0]


def test_notes_say_what_is_missing() -> None:
    old = report(measurement(missed=2, command=Command(program="wrk", exit_code=1)))
    told = " ".join(old.notes)
    for words in ("no tails.json", "did not answer 2 times", "wrk ended with exit code 1"):
        assert words in told
    assert (old.target.attached, old.target.python) == (False, None)
    ended = report(measurement(ended="exit code 3"))
    assert ended.notes == ("The app ended during the measurement: exit code 3",)


def test_stalls_that_were_not_explained_are_noted_not_lost() -> None:
    made = report(measurement(change=snapshot(dropped={"budget": 7}), tails=tails(0)))
    assert made.dropped == {}
    assert "7 stalls were timed but not explained" in made.notes[0]


def test_how_long_starved_stalls_had_no_cpu() -> None:
    starved = stall(1001.0, 0.5, cause="starved", cpu_seconds=0.1)
    assert without_cpu([starved, stall(1002.0)]) == pytest.approx(0.4)
    assert without_cpu([starved, stall(1003.0, 0.5, cause="starved")]) is None
    assert without_cpu([stall(1002.0)]) is None
