"""What `what_if` of /snapshot.json says: which sites, which routes, now and then."""

from types import SimpleNamespace
from typing import Any

import pytest

from loopwatch import page
from loopwatch.web.page import what_if as module
from loopwatch.web.page.what_if import ROUTES, SHARE, SITES, WhatIfs, what_if
from tests.web.page.answer import ask
from tests.web.page.told import ToldWatch, blame, request, stall


def lost(name: str, seconds: float, **fields: Any) -> Any:
    return stall(name, victims=1, lost_request_seconds=seconds, **fields)


def sites(watch: ToldWatch) -> list[str]:
    return [one["site"] for one in what_if(watch.snapshot())]


def test_sites_with_most_lost_request_seconds_come_first() -> None:
    watch = ToldWatch(
        lost("a", 1.0), lost("b", 2.0), lost("a", 1.5), lost("c", 0.5), lost("d", 0.4), stall("e")
    )
    assert sites(watch) == ["a", "b", "c"]
    assert len(sites(watch)) == SITES


def test_site_that_cost_nobody_anything_is_left_out() -> None:
    """As is what nobody saw: it is no one site that could be without its stalls."""
    assert sites(ToldWatch(stall("a"), lost("_NONE", 9.0))) == []


def test_latency_now_and_without_the_site_is_in_the_snapshot() -> None:
    watch = ToldWatch(
        lost("shop.bad", 1.0),
        requests=(
            request("/good", (0.5, 0.5), {"shop.bad": 0.4}),
            request("/good", (0.3,), {"shop.bad": 0.1}, "POST"),
            request("/other", (0.7,), {"shop.worse": 0.4}),
            request("/calm", (0.01,)),
        ),
        blames=(blame("/good", 0.9), blame("/other", 0.4, "shop.worse"), blame("/old", 0.1)),
    )
    [told] = ask(page(watch), "/snapshot.json").json()["what_if"]
    assert told["site"] == "shop.bad"
    get, post = told["routes"]
    assert (get["route"], get["method"], get["requests"]) == ("/good", "GET", 2)
    assert get["now"] == {"p50": 0.5, "p90": 0.5, "p99": 0.5}
    assert get["then"]["p99"] == pytest.approx(0.1)
    assert (post["method"], post["then"]["p50"]) == ("POST", pytest.approx(0.2))


def test_routes_that_waited_most_are_asked_about() -> None:
    """However many there are: the work for one answer is bounded."""
    names = [f"/{i}" for i in range(ROUTES + 3)]
    watch = ToldWatch(
        lost("shop.bad", 1.0),
        requests=tuple(request(name, (0.5,), {"shop.bad": 0.4}) for name in names),
        blames=tuple(blame(name, 9.0 - i) for i, name in enumerate(names)),
    )
    [told] = what_if(watch.snapshot())
    assert [row["route"] for row in told["routes"]] == names[:ROUTES]


def test_dear_answer_is_kept_until_it_is_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clocks: 0.5 s of work, and none for 25 s."""
    now = 1000.0

    def work(_: object) -> list[dict[str, Any]]:
        nonlocal now
        now += 0.5
        return [{"made_at": now}]

    clocks = SimpleNamespace(monotonic=lambda: now, thread_time=lambda: now)
    monkeypatch.setattr(module, "what_if", work)
    monkeypatch.setattr(module, "time", clocks)
    answers, snapshot = WhatIfs(), ToldWatch().snapshot()
    first = answers.of(snapshot)
    now += 0.5 / SHARE - 1
    assert answers.of(snapshot) is first
    now += 2
    assert answers.of(snapshot) != first
