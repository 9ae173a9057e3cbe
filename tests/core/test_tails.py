"""How the latency of requests divides at their tail, and what it would be without sites."""

import pytest

from loopwatch.core.recent import Blame, RecentRequest
from loopwatch.core.tails import AT, BLAMES, SITES, route_tails


def request(latency: float, held: float = 0.0, site: str = "shop.bad") -> RecentRequest:
    blame = Blame(site=site, route="/bad", seconds=held, least=held, most=held, after=0.0)
    return RecentRequest.of(
        "/good", "GET", 0.0, (latency, held, 0.001, 0.0), (blame,) if held else ()
    )


def test_nothing_is_told_of_no_requests() -> None:
    assert route_tails("/good", "GET", ()) is None


def test_slowest_hundredth_and_the_middle_half() -> None:
    requests = [request(0.010 + n / 1e6) for n in range(196)]
    told = route_tails("/good", "GET", [*requests, *(request(0.5, 0.4) for _ in range(4))])
    assert told is not None
    assert (told.requests, told.slowest.requests, told.typical.requests) == (200, 2, 101)
    assert told.slowest.latency == pytest.approx(0.5)
    assert told.slowest.parts.queued == pytest.approx(0.4)
    assert told.slowest.parts.total == pytest.approx(0.5)
    [blame] = told.slowest.blames
    assert (blame.site, blame.route) == ("shop.bad", "/bad")
    assert blame.seconds == pytest.approx(0.4)
    assert told.typical.blames == ()
    assert told.now.p99 == pytest.approx(0.5)


def test_one_request_is_its_own_tail() -> None:
    told = route_tails("/good", "GET", [request(0.2)])
    assert told is not None
    assert told.slowest == told.typical
    assert told.without == ()
    assert told.latencies == (0.2,) * len(AT)


def test_quantiles_rise_and_end_with_the_slowest() -> None:
    assert list(AT) == sorted(set(AT))
    assert (AT[0], AT[-1]) == (0.0, 1.0)


def test_predictions_are_of_the_sites_waited_for_most_and_of_all() -> None:
    requests = [request(1.0, 0.1 * n, f"shop.{n}") for n in range(1, 7)]
    told = route_tails("/good", "GET", requests)
    assert told is not None
    assert [one.site for one in told.without] == ["shop.6", "shop.5", "shop.4", None]
    assert len(told.without) == SITES + 1
    *_, whole = told.without
    assert whole.then.p99 == pytest.approx(0.9, abs=0.01)  # the one that waited least
    assert all(now >= then for now, then in zip(told.latencies, whole.latencies, strict=True))


def test_blames_of_a_tail_are_bounded() -> None:
    blames = tuple(
        Blame(site=f"s{n}", route="/bad", seconds=n, least=n, most=n, after=0.5) for n in range(20)
    )
    one = RecentRequest.of("/good", "GET", 0.0, (300.0, 0.0, 0.0, 0.0), blames)
    told = route_tails("/good", "GET", [one])
    assert told is not None
    assert [b.seconds for b in told.slowest.blames] == [19.5 - n for n in range(BLAMES)]
