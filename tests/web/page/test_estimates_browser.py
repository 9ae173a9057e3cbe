"""The live page in a browser: what requests wait for, lines of loop time, what is in flight."""

import json
from typing import Any

import pytest

from loopwatch import page
from tests.web.page.browser import Tab
from tests.web.page.browser import tab as tab
from tests.web.page.served_page import BARS, DASH, see, served, text
from tests.web.page.told import (
    HOSTILE,
    ToldWatch,
    hostile_watch,
    in_flight,
    loop_time,
    request,
    wait,
)

pytestmark = pytest.mark.slow


def cells(tab: Tab, body: str) -> list[list[str]]:
    rows = f"[...document.querySelectorAll('#{body} > tr')]"
    told = tab.run(f"JSON.stringify({rows}.map(r => [...r.children].map(c => c.textContent)))")
    found: list[list[str]] = json.loads(told.replace("\u202f", " "))
    return found


def waiting_watch(**readings: Any) -> ToldWatch:
    peer: dict[str, Any] = {"call": "", "resource": "socket", "peer": "127.0.0.1:9", "holders": ()}
    return ToldWatch(
        requests=(request("/q", (0.5,) * 40, parts={"running": 1.0, "waiting": 24.0}),),
        **{
            "waits": (
                wait(advice="Hold `pool` for less."),
                wait(seconds=6.0, waiting=0, most_waiting=2, **peer),
            ),
            "loop_time": (loop_time(), loop_time("_NONE", call="json.loads", seconds=2.0)),
            "busy": 10.0,
            **readings,
        },
    )


def test_what_requests_wait_for(tab: Tab) -> None:
    with served(page(waiting_watch())) as url:
        see(tab, url)
        first, second = cells(tab, "places")
        line = "async with pool: shop/db.py:5 by asyncio.locks.Semaphore.acquire"
        assert text(tab, "#places .advice") == "Hold pool for less."
        assert text(tab, "#places .advice code") == "pool"
        line += "Hold pool for less."
        assert first[:6] == [line, "/q", "semaphore", "75 %", "18.0 s", "17 (most 19)"]
        assert first[6] == "/q at shop/db.py:6 for 45 ms" * 2
        assert text(tab, "#verdict").replace("\u202f", " ") == (
            "No stalls. Nothing has held the loop. Requests waited 18.0 s for async with pool: in "
            "/q."
        )
        assert second[2:] == ["socket 127.0.0.1:9", "25 %", "6.00 s", "0 (most 2)", ""]
        tab.run("document.querySelector('#filter').value = 'socket'")
        tab.run("document.querySelector('#filter').dispatchEvent(new Event('input'))")
        assert len(cells(tab, "places")) == 1
        assert text(tab, "#no-looptime") == "Nothing matches the filter."
        assert tab.complaints == []


def test_lines_of_loop_time(tab: Tab) -> None:
    with served(page(waiting_watch())) as url:
        see(tab, url)
        assert cells(tab, "looptime") == [
            ["total += n * n shop/squares.py:8", "/report", "61 %", "6.10 s"],
            [
                "total += n * n shop/squares.py:8 by json.loads",
                *("outside any request", "20 %", "2.00 s"),
            ],
        ]
        assert tab.run("document.querySelector('#looptime .meter i').style.width") == "61%"


def test_requests_in_flight_with_their_parts_and_where_they_wait(tab: Tab) -> None:
    watch = waiting_watch()
    watch.in_flight = (in_flight(), in_flight("/run", 0.5, place=None, call="", resource=""))
    with served(page(watch)) as url:
        see(tab, url)
        tab.wait_for("document.querySelectorAll('#inflight > tr').length === 2")
        first, second = cells(tab, "inflight")
        assert first[:2] == ["GET/q", "1.50 s"]
        assert first[3:] == [
            "async with pool: shop/db.py:5 by asyncio.locks.Semaphore.acquire",
            "semaphore",
        ]
        assert second[3:] == [DASH, ""]
        label = str(tab.run("document.querySelector('#inflight .parts').ariaLabel"))
        assert label.replace("\u202f", " ") == (
            "queued 250 ms, stalled 0 ms, running 250 ms, waiting 1.00 s"
        )
        watch.in_flight = ()
        tab.wait_for("document.querySelector('#no-inflight').hidden === false")
        assert text(tab, "#no-inflight") == "No request is in flight."
        assert tab.complaints == []


def test_flame_graphs_of_loop_time_and_of_waiting(tab: Tab) -> None:
    names = f"{BARS}.map(b => b.textContent).join('|')"
    with served(page(waiting_watch())) as url:
        see(tab, url)
        tab.run("document.querySelector('#flame-section').scrollIntoView()")
        tab.wait_for("document.querySelector('#no-flame').hidden === false")
        tab.run("document.querySelector('#flame-busy').click()")
        tab.wait_for(f"{BARS}.length > 1")
        assert tab.run(names).startswith("busy loop|shop.report  +2|")
        assert "squares.total:8" in tab.run(names)
        assert "json.loads" in tab.run(names)
        assert tab.run("document.querySelectorAll('#flame .site').length") == 2
        assert "75\u202f%" in tab.run(f"{BARS}[1].ariaLabel")
        assert tab.run("document.querySelector('#flame-busy').ariaPressed") == "true"
        tab.run("document.querySelector('#flame-waiting').click()")
        tab.wait_for(f"{BARS}[0].textContent === 'all waiting'")
        assert tab.run(names).startswith("all waiting|/q|shop.query:5|")
        assert "socket 127.0.0.1:9" in tab.run(names)
        assert "request-seconds by route" in text(tab, "#flame-note")
        tab.run("document.querySelector('#flame-held').click()")
        tab.wait_for("document.querySelector('#no-flame').hidden === false")
        assert tab.complaints == []


def test_hostile_names_in_flame_graphs_are_text(tab: Tab) -> None:
    with served(page(hostile_watch())) as url:
        see(tab, url)
        tab.run("document.querySelector('#flame-section').scrollIntoView()")
        for source in ("busy", "waiting"):
            tab.run(f"document.querySelector('#flame-{source}').click()")
            tab.wait_for(f"{BARS}.length > 1")
            assert HOSTILE[:20] in text(tab, "#flame")
        assert tab.run("document.title") == "loopwatch"
        assert tab.run("document.querySelectorAll('main img').length") == 0
        assert tab.complaints == []


def test_nothing_waited_and_nothing_ran(tab: Tab) -> None:
    with served(page(ToldWatch())) as url:
        see(tab, url)
        assert text(tab, "#no-places") == "No request was seen waiting."
        assert text(tab, "#no-looptime") == "No sample of the busy loop was taken yet."
        for table in ("places", "looptime", "inflight"):
            assert tab.run(f"document.querySelector('#{table}-table').hidden")


def test_tables_fit_a_narrow_screen(tab: Tab) -> None:
    watch = waiting_watch()
    watch.in_flight = (in_flight(),)
    tab.size(390, 800, mobile=True)
    try:
        with served(page(watch)) as url:
            see(tab, url)
            tab.wait_for("document.querySelectorAll('#inflight > tr').length === 1")
            assert tab.run("document.documentElement.scrollWidth") <= 390
    finally:
        tab.call("Emulation.clearDeviceMetricsOverride")
