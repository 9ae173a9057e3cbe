"""How a reading is drawn: it fits, and names from the app are text."""

import io
from typing import Any

import pytest

from loopwatch.tools.cli.readings import reading
from loopwatch.tools.cli.screen import drawn
from loopwatch.tools.cli.screen_parts import View, seconds
from loopwatch.tools.cli.terminal import Console
from tests.tools.cli.snapshots import request, site, snapshot, stall
from tests.web.page.told import HOSTILE

FULL = snapshot(
    lag=(0.001,) * 100,
    busy=1.0,
    idle=1.0,
    dropped={"stalls": 2},
    sites=[site(f"shop.{'very_' * 9}long_{i}", 0.1, lost_request_seconds=i) for i in range(64)],
    requests=[request(f"/{'x' * 90}/{i}", 0.1, running=0.1 * i) for i in range(256)],
    stalls=[stall("shop.bad", code="f(" + "x" * 200 + ")")],
)


def lines(told: dict[str, Any], width: int, height: int | None, **fields: Any) -> list[str]:
    given = {"url": "http://127.0.0.1:9464", "sort": "lost", "colour": False, **fields}
    text = io.StringIO()
    console = Console(file=text, width=width, height=height or 25, highlight=False)
    console.print(drawn(reading(told), View(width=width, height=height, **given)))
    return [line.rstrip() for line in text.getvalue().splitlines()]


@pytest.mark.parametrize("trouble", ["", "no reading for 3 s"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 60), (220, 50), (60, 16)])
def test_fits(width: int, height: int, trouble: str) -> None:
    found = lines(FULL, width, height, trouble=trouble, keys=True)
    assert len(found) <= height
    assert max(map(len, found)) <= width
    assert found[-1].startswith("q quits")
    assert any("more not shown" in line and line.startswith("Culprits") for line in found)


def test_without_a_height_all_is_there() -> None:
    assert len(lines(FULL, 80, None)) > 64 + 256


@pytest.mark.parametrize(
    ("sort", "order"), [("lost", "a b c"), ("held", "b c a"), ("stalls", "c a b")]
)
def test_culprits_rank_by_what_is_asked_for(sort: str, order: str) -> None:
    rows = [
        site("shop.a", 0.1, 0.1, lost_request_seconds=9.0),
        site("shop.b", 1.0, lost_request_seconds=5.0),
        site("shop.c", *(0.1,) * 5, lost_request_seconds=1.0),
    ]
    found = lines(snapshot(sites=rows), 80, 24, sort=sort)
    names = [line.split("shop.")[1].strip() for line in found if "shop." in line]
    assert names == order.split()


def test_figures_of_a_culprit_and_a_route() -> None:
    told = snapshot(
        lag=(0.001,) * 200,
        busy=1.0,
        idle=1.0,
        sites=[site("shop.bad", 0.25, victims=12, lost_request_seconds=7.5)],
        stalls=[stall()],
        requests=[request("/good", 0.1, 0.1, queued=0.1, stalled=0.05, running=0.05)],
    )
    found = "\n".join(lines(told, 80, 24, per_minute=4.2))
    assert "busy 50%" in found
    assert "stalls/min 4 " in found
    assert "7.50 s 250 ms      1      12 cpu" in found
    assert "shop.py:21 time.sleep(1)" in found
    [route] = [line for line in found.splitlines() if line.endswith("GET /good")]
    assert route.split()[0] == "1.00"
    assert "q" * 8 + "s" * 4 + "r" * 4 in route
    assert "25 ms" in route


def test_what_holds_the_loop_right_now_stands_first() -> None:
    held = {**stall("shop.wedge", code="lock.acquire()"), "duration": 2.04, "in_progress": True}
    told = snapshot() | {"in_progress": [held | {"route": "/\x1b[31mw", "method": "GET"}]}
    [line] = [text for text in lines(told, 150, 24) if "has been holding" in text]
    assert "[31mw has been holding the loop for 2.0 s at" in line
    assert line.endswith("lock.acquire()")
    assert "\x1b" not in line


def test_what_it_waits_for_is_said_as_well() -> None:
    held = {**stall("shop.wedge", code="lock.acquire()"), "duration": 2.04, "method": "GET"}
    why = {"text": "waits on a future of this very loop: \x1b[31mit can never come"}
    told = snapshot() | {"in_progress": [held | {"blocker": why}, held | {"blocker": None}]}
    first, second = [text for text in lines(told, 200, 24) if "has been holding" in text]
    assert first.endswith("it waits on a future of this very loop: \\x1b[31mit can never come")
    assert second.endswith("lock.acquire()")


def test_what_cannot_be_known_is_said_and_not_shown_as_zero() -> None:
    told = snapshot(busy=1.0, idle=1.0, sites=[site("shop.bad", 0.5)], stalls=[stall("shop.bad")])
    found = "\n".join(lines(told, 100, 24, remark="Routes are not known."))
    assert "Routes are not known." in found
    assert "lag not known" in found
    assert "req/s" not in found
    row = next(line for line in found.splitlines() if "shop" in line and "500 ms" in line)
    assert row.split()[0] == "\u2013"


def test_names_are_text() -> None:
    """Nothing that a terminal would obey, nor what rich would take for markup."""
    hostile = "\x1b[2J\x1b]0;owned\x07[red]x[/red]" + HOSTILE
    told = snapshot(
        version=hostile,
        sites=[site(hostile, 0.1, route=hostile, cause=hostile)],
        requests=[request(hostile, 0.1, method=hostile)],
        stalls=[stall(hostile, hostile, file=hostile, code=hostile)],
        dropped={hostile: 1},
    )
    for width in (80, 400):
        text = "\n".join(lines(told, width, 24, url=hostile, trouble=hostile))
        assert all(c.isprintable() for c in text if c != "\n")
        assert "\\x1b[2J" in text
    assert "[red]x[/red]" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 ms"),
        (0.0004, "0.4 ms"),
        (0.25, "250 ms"),
        (2.5, "2.50 s"),
        (45.25, "45.2 s"),
        (125.0, "125 s"),
        (1200.0, "20 min"),
        (7200.0, "2.0 h"),
    ],
)
def test_durations(value: float, text: str) -> None:
    assert seconds(value) == text
