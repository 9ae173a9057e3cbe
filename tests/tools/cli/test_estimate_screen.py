"""Waits, loop time and requests in flight in a terminal: they fit, and names are text."""

import io
from typing import Any

import pytest

from loopwatch.core.plain import plain
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.estimate_screen import shared
from loopwatch.tools.cli.readings import reading
from loopwatch.tools.cli.screen import drawn
from loopwatch.tools.cli.screen_parts import View
from loopwatch.tools.cli.terminal import Console
from tests.tools.cli.snapshots import request, snapshot
from tests.web.page.told import HOSTILE, in_flight, loop_time, wait

TOLD = snapshot(
    lag=(0.001,) * 100,
    busy=10.0,
    idle=10.0,
    waits=[plain(wait(seconds=6.0, resource="lock", waiting=0)), plain(wait())],
    loop_time=[plain(loop_time()), plain(loop_time("_NONE", call="json.loads", seconds=2.0))],
    requests=[request("/q", 0.5, waiting=36.0)],
)
IN_FLIGHT = {"requests": [plain(in_flight(age=0.5)), plain(in_flight("/old", 9.0, place=None))]}


def lines(
    told: dict[str, Any], width: int = 100, height: int | None = 24, now: Any = IN_FLIGHT
) -> list[str]:
    text = io.StringIO()
    console = Console(file=text, width=width, height=height or 25, highlight=False)
    view = View(
        url="http://127.0.0.1:9464",
        sort="lost",
        show="waits",
        width=width,
        height=height,
        colour=False,
        keys=True,
    )
    console.print(drawn(reading(told, None, now), view))
    return [line.rstrip() for line in text.getvalue().splitlines()]


def test_the_three_tables() -> None:
    found = lines(TOLD)
    rows = [" ".join(line.split()) for line in found]
    assert "17 19 50% 18.0 s 2 semaphore db.py:5 async with pool: /q" in rows
    assert "0 19 17% 6.00 s 2 lock db.py:5 async with pool: /q" in rows
    assert "61% 6.10 s squares.py:8 total += n * n /report" in rows
    assert "20% 2.00 s squares.py:8 total += n * n json.loads outside any request" in rows
    [old] = [row for row in rows if row.startswith("9.00 s")]
    assert old.endswith("GET /old")
    assert rows.index(old) < next(n for n, row in enumerate(rows) if row.startswith("500 ms"))
    assert found[-1] == "q quits  s sorts by the next figure  w shows stalls"


@pytest.mark.parametrize("height", [16, 24, 60])
@pytest.mark.parametrize("width", [60, 80, 220])
def test_fits(width: int, height: int) -> None:
    many = {
        "waits": [plain(wait(f"/{'x' * 90}/{i}")) for i in range(100)],
        "loop_time": [plain(loop_time(f"/{'y' * 90}/{i}")) for i in range(100)],
    }
    now = {"requests": [plain(in_flight(f"/{'z' * 90}/{i}", 1.0 + i)) for i in range(100)]}
    found = lines({**TOLD, **many}, width, height, now)
    assert len(found) == height
    assert max(map(len, found)) <= width
    assert sum("more not shown" in line for line in found) == 3
    assert lines({**TOLD, **many}, width, None, now)[-1].startswith("q quits")


@pytest.mark.parametrize(
    ("counts", "lines", "rooms"),
    [
        ([3, 3, 3], None, [3, 3, 3]),
        ([100, 100, 100], 22, [8, 6, 6]),
        ([1, 100, 0], 22, [1, 19, 0]),  # what one does not need, the others get
        ([100, 100, 100], 1, [0, 0, 0]),
    ],
)
def test_tables_share_the_lines(counts: list[int], lines: int | None, rooms: list[int]) -> None:
    assert shared(counts, lines) == rooms


def test_a_version_before_them_tells_none() -> None:
    found = lines(snapshot(), now=None)
    assert sum(line == "  none" for line in found) == 2
    assert "  not known" in found


def test_names_are_text() -> None:
    site = {"function": HOSTILE, "file": HOSTILE, "line": 5, "code": HOSTILE, "exact": True}
    names = {"call": HOSTILE, "resource": HOSTILE, "route": HOSTILE}
    told = {
        **TOLD,
        "waits": [{**plain(wait()), **names, "place": site, "peer": HOSTILE}],
        "loop_time": [{**plain(loop_time()), **names, "site": site}],
    }
    now = {"requests": [{**plain(in_flight()), **names, "method": HOSTILE, "place": site}]}
    found = "\n".join(lines(told, 220, 24, now))
    assert "\x00" not in found
    assert "\u202e" not in found
    assert "<img" in found


@pytest.mark.parametrize(
    "wrong",
    [
        {"waits": [{**plain(wait()), "seconds": -1.0}]},
        {"waits": [{**plain(wait()), "waiting": 1.5}]},
        {"waits": [{**plain(wait()), "holders": None}]},
        {"waits": [{"route": "/q"}]},
        {"loop_time": [{**plain(loop_time()), "site": None}]},
        {"loop_time": "many"},
    ],
)
def test_what_no_page_writes_is_one_clear_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="use the same version here"):
        reading({**TOLD, **wrong})


@pytest.mark.parametrize("wrong", [{"requests": 1}, {"requests": [{}]}, {"other": []}])
def test_requests_that_no_page_writes_as_well(wrong: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="use the same version here"):
        reading(TOLD, None, wrong)
