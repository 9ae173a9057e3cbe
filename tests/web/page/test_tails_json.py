"""`tails.json`: which routes, since when, and how much work it may be."""

from types import SimpleNamespace
from typing import Any

import pytest

from loopwatch import Snapshot, page
from loopwatch.web.page import tails_json as module
from loopwatch.web.page.tails_json import ROUTES, SHARE, Tails
from tests.web.page.test_page import ask
from tests.web.page.told import ToldWatch, blame, request


def told(watch: ToldWatch, query: bytes = b"") -> Any:
    answer = ask(page(watch), "/tails.json", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_tails_of_each_route_with_what_they_would_be_without() -> None:
    watch = ToldWatch(requests=(request("/good", (0.5, 0.3), {"shop.bad": 0.2}), request("/none")))
    answer = told(watch)
    [row] = answer["routes"]
    assert (row["route"], row["method"], row["requests"]) == ("/good", "GET", 2)
    assert [one["site"] for one in row["without"]] == ["shop.bad", None]
    assert row["without"][0]["then"]["p99"] < row["now"]["p99"]
    assert len(row["latencies"]) == len(answer["at"])
    assert answer["python"].count(".") == 2


def test_requests_that_arrived_before_are_left_out() -> None:
    watch = ToldWatch(requests=(request("/good", (0.5, 0.3)),))
    assert told(watch, b"since=0")["routes"]
    assert told(watch, b"since=9e12")["routes"] == []


@pytest.mark.parametrize("query", [b"since=soon", b"since=nan", b"since=", b"since=1e999"])
def test_since_that_is_no_time(query: bytes) -> None:
    answer = ask(page(ToldWatch()), "/tails.json", query_string=query)
    assert answer.status_code == 400
    assert answer.text.startswith("since must be a Unix time")


def test_routes_that_waited_come_first_then_the_busiest_and_there_is_a_bound() -> None:
    rows = [request(f"/{n}", (0.01,) * (n + 1)) for n in range(ROUTES + 3)]
    watch = ToldWatch(requests=tuple(rows), blames=(blame("/2", 9.0), blame("/1", 5.0)))
    names = [row["route"] for row in told(watch)["routes"]]
    assert names[:3] == ["/2", "/1", f"/{ROUTES + 2}"]
    assert len(names) == ROUTES


def test_an_answer_to_the_same_question_is_kept_as_long_as_it_must_be_paid_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, made = [100.0], list[float]()

    def tails(snapshot: Snapshot, since: float) -> dict[str, Any]:
        made.append(since)
        return {}

    clocks = SimpleNamespace(monotonic=lambda: now[0], thread_time=lambda: len(made) * 0.5)
    monkeypatch.setattr(module, "time", clocks)
    monkeypatch.setattr(module, "tails", tails)
    answers = Tails(ToldWatch())
    for moment, since in ((100.0, 0.0), (100.0 + 0.5 / SHARE - 0.1, 0.0)):
        now[0] = moment
        answers.body(since)
    assert made == [0.0]
    answers.body(7.0)
    assert made == [0.0, 7.0]
    now[0] += 0.5 / SHARE
    answers.body(7.0)
    assert made == [0.0, 7.0, 7.0]
