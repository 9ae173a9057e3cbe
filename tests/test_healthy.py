"""A loop that is busy but healthy has no stall; one without a CPU has no culprit."""

import sys
from typing import Any

import pytest

from .healthy import Told, healthy, summary

REQUESTS, UNDER_PRESSURE = 2000, 250
BURNERS = 12


def stall(cause: str, function: str = "_NONE", duration: float = 0.2) -> dict[str, Any]:
    site = {"function": function, "file": "", "line": 0, "exact": False}
    return {"cause": cause, "site": site, "started_at": 100.0, "duration": duration}


def told(*stalls: dict[str, Any], collections: tuple[list[float], ...] = ()) -> Told:
    return Told(1, 1.0, 0.7, 1, 0.0, [*stalls], [*collections])


@pytest.mark.parametrize(
    ("one", "right"),
    [
        (stall("starved"), True),
        (stall("starved", "shop.good"), False),
        (stall("cpu", "shop.good"), False),
        (stall("many_callbacks"), False),
        (stall("unknown"), False),
    ],
)
def test_only_the_machine_s_doing_is_right(one: dict[str, Any], right: bool) -> None:
    assert told(one).false() == ([] if right else [one])


@pytest.mark.parametrize(
    ("collection", "right"),
    [([100.15, 0.12], True), ([100.15, 0.02], False), ([99.0, 1.0], False)],
)
def test_a_collection_is_what_the_app_itself_saw(collection: list[float], right: bool) -> None:
    one = stall("gc", "shop.good")
    assert told(one, collections=(collection,)).false() == ([] if right else [one])


@pytest.mark.slow
def test_good_routes_on_a_busy_loop_are_no_stalls(loop: str) -> None:
    shown = healthy(REQUESTS, loop)
    assert [summary(one) for one in shown.false()] == []
    assert shown.steps >= REQUESTS
    assert shown.utilisation > 0.2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="CPUs are shared out by Linux's own calls")
def test_without_a_cpu_no_good_route_is_blamed(loop: str) -> None:
    """The cause itself may be hidden now and then: a host's other guests take CPU time unseen."""
    shown = healthy(UNDER_PRESSURE, loop, BURNERS)
    false = shown.false()
    assert [summary(one) for one in false if one["site"]["exact"]] == []
    assert len(false) <= max(1, len(shown.stalls) / 10), [summary(one) for one in false]
    assert shown.waited > 1.0
