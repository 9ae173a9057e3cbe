"""`tails.json`: which routes, since when, and how much work it may be."""

from typing import Any

import pytest

from loopwatch import page
from loopwatch.web.page.tails_json import ROUTES, since
from tests.web.page.answer import ask
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


@pytest.mark.parametrize(
    ("asked", "counted"),
    [
        (0.0, 0.0),
        (-1e9, 0.0),
        (5.25, 0.0),
        (9e12 + 0.38, 9e12 + 0.3),
        (9e12 + 0.31, 9e12 + 0.3),
    ],
)
def test_since_goes_in_steps_and_what_was_before_every_request_is_the_beginning(
    asked: float, counted: float
) -> None:
    """So those who ask at nearly the same time share an answer."""
    assert since({"query_string": f"since={asked}".encode()}) == counted
