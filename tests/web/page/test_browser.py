"""The live page in a real browser: all of it, on any screen, whatever it is told."""

import asyncio
import dataclasses
import time
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from loopwatch import LoopWatchMiddleware, page
from tests.conftest import MakeWatch
from tests.web.page.browser import Tab
from tests.web.page.browser import tab as tab
from tests.web.page.served_page import BARS, see, served, text
from tests.web.page.told import (
    HOSTILE,
    ToldWatch,
    blame,
    full_watch,
    hostile_watch,
    request,
    stall,
)

pytestmark = pytest.mark.slow


def test_hostile_names_are_shown_as_text(tab: Tab) -> None:
    with served(page(hostile_watch())) as url:
        see(tab, url)
        assert tab.run("document.title") == "loopwatch"
        assert tab.run("document.querySelectorAll('main img, main b:not([class]) b').length") == 0
        seen = HOSTILE[: HOSTILE.index("&")]
        for place in (
            "#culprits .call",
            "#culprits .without",
            "#routes th",
            "#loops .name",
            "#dropped",
            "#verdict",
            "#waits th",
            "#victims",
            *("#places th", "#places td:nth-child(2)", "#places td:nth-child(3)"),
            *("#places .holder", "#looptime th", "#looptime td:nth-child(2)"),
            *("#inflight th", "#inflight td:nth-child(4)", "#inflight td:nth-child(5)"),
        ):
            assert seen in text(tab, place), place
        tab.run("document.querySelector('#culprits summary').click()")
        tab.wait_for("document.querySelector('#culprits .paid tbody')")
        assert seen in text(tab, "#culprits .paid tbody")
        tab.run("document.querySelector('#stalls summary').click()")
        tab.wait_for("document.querySelector('#stalls .stack li')")
        assert seen in text(tab, "#stalls .stack li")
        tab.run("document.querySelector('#flame-section').scrollIntoView()")
        tab.wait_for(f"{BARS}.length === 2")
        assert seen in tab.run(f"{BARS}[1].ariaLabel")
        assert seen in tab.run(f"{BARS}[1].title")
        assert not tab.run("Boolean(document.querySelector('img'))")
        assert tab.complaints == []
        assert all(address.startswith((url, "data:")) for address in tab.requested)


def test_is_live_once_the_requests_in_flight_are_read(tab: Tab) -> None:
    """Not before; and the words that an answer is awaited do not stay when it has come."""
    shown = page(hostile_watch())

    async def late(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].endswith("requests.json"):
            await asyncio.sleep(1.3)
        await shown(scope, receive, send)

    with served(late) as url:
        see(tab, url)
        assert tab.run("document.querySelectorAll('#inflight th').length") == 1
        assert text(tab, "#state").startswith("live, ")


def test_page_fits_a_phone(tab: Tab) -> None:
    name, route = "shop." + "very_long_name" * 20, "/bad/" + "x" * 200
    watch = ToldWatch(
        stall(name, route=route, victims=1, lost_request_seconds=1e5),
        requests=(request(route, (500.0,), {name: 400.0}),),
        blames=(dataclasses.replace(blame(route, 1e5, name), culprit_route=route),),
    )
    with served(page(watch)) as url:
        tab.size(360, 740, mobile=True)
        try:
            see(tab, url)
            tab.run("document.querySelectorAll('summary').forEach(s => s.click())")
            tab.wait_for("document.querySelectorAll('.stack').length === 2")
            assert not tab.run("document.querySelector('.paid').hidden")
            tab.run("document.querySelector('#flame-section').scrollIntoView()")
            tab.wait_for(f"{BARS}.length")
            assert tab.run("document.documentElement.scrollWidth") <= 360
        finally:
            tab.size(1280, 900)


def test_full_page_fits_a_phone(tab: Tab) -> None:
    """With all there can be, and more of it asked for."""
    with served(page(full_watch())) as url:
        tab.size(390, 844, mobile=True)
        try:
            see(tab, url)
            tab.run("document.querySelectorAll('.more:not([hidden])').forEach(b => b.click())")
            tab.run("document.querySelector('#stalls summary').click()")
            tab.run("document.querySelector('#flame-section').scrollIntoView()")
            tab.wait_for("document.querySelector('#flame .site')")
            assert tab.run("document.documentElement.scrollWidth") <= 390
        finally:
            tab.size(1280, 900)


def test_full_page_is_updated_in_no_time(tab: Tab) -> None:
    """64 sites and 256 routes are not shown at once, and a reading takes less than a blink."""
    with served(page(full_watch())) as url:
        see(tab, url)
        count = "document.querySelectorAll('#{} > *').length"
        shown = {name: tab.run(count.format(name)) for name in ("culprits", "stalls", "routes")}
        assert shown == {"culprits": 12, "stalls": 30, "routes": 30}
        assert text(tab, "#more-routes") == "Show 60 more of 256"
        tab.run("document.querySelector('#more-routes').click()")
        assert tab.run(count.format("routes")) == 90
        update = (
            "(began => { render(latest); return performance.now() - began })(performance.now())"
        )
        took = sorted(tab.run(update) for _ in range(9))
        print(f"update of a full page: median {took[4]:.1f} ms, longest {took[-1]:.1f} ms")
        assert took[4] < 50


def test_filter_leaves_what_has_all_its_words(tab: Tab) -> None:
    with served(page(full_watch())) as url:
        see(tab, url)
        tab.run("document.querySelector('#filter').focus()")
        tab.call("Input.insertText", text="PARTS_17 things")
        names = "[...document.querySelectorAll('#routes th code')].map(c => c.textContent).join()"
        wanted = ["17", *(f"17{i}" for i in range(10))]
        shown = sorted(tab.run(names).split(","))
        assert shown == sorted(f"/api/v1/things/{{thing_id}}/parts_{n}" for n in wanted)
        assert tab.run("document.querySelectorAll('#stalls > li').length") == len(wanted)
        assert tab.run("document.querySelectorAll('#waits > tr').length") > 0
        tab.call("Input.insertText", text=" nowhere")
        assert text(tab, "#no-routes") == "Nothing matches the filter."
        assert not tab.run("document.querySelector('#no-culprits').hidden")


def test_pause_stops_reading(tab: Tab) -> None:
    watch = ToldWatch()
    with served(page(watch)) as url:
        see(tab, url)
        tab.run("document.querySelector('#pause').click()")
        tab.wait_for("document.querySelector('#state').textContent.startsWith('paused')")
        watch.told = (stall(),)
        time.sleep(2.5)
        assert tab.run("document.querySelectorAll('#stalls li').length") == 0
        tab.run("document.querySelector('#pause').click()")
        tab.wait_for("document.querySelectorAll('#stalls li').length === 1")


def test_page_says_when_there_is_no_answer(tab: Tab) -> None:
    with served(page(ToldWatch())) as url:
        see(tab, url)
    tab.wait_for("document.querySelector('#state').className === 'state lost'")
    assert "no answer" in text(tab, "#state")


def test_live_data_of_a_real_app(tab: Tab, loop: str, make_watch: MakeWatch) -> None:
    """A call that blocks shows up by itself, with the line that it stands on, whatever else does.

    It blocks for long: a garbage collection of the tests' own process takes the GIL, and with it
    the watchdog, for up to 0.2 s where two of them and a browser share two processors.
    """
    watch = make_watch()
    having = "[...document.querySelectorAll('{}')].filter(e => e.textContent.includes('GET /bad'))"
    row = f"{having.format('#culprits > *')}[0]"
    app = FastAPI()
    app.mount("/loopwatch", page(watch))
    app.add_middleware(LoopWatchMiddleware, watch=watch)

    @app.get("/bad")
    async def bad() -> str:
        time.sleep(0.8)
        return "late"

    with served(app, loop) as url, httpx.Client(trust_env=False) as client:
        see(tab, f"{url}loopwatch/")
        assert client.get(f"{url}bad").json() == "late"
        tab.wait_for("document.querySelector('#culprits')?.textContent.includes('GET /bad')")
        assert "time.sleep(0.8)" in text(tab, "#culprits")
        assert "GET /bad" in text(tab, "#culprits")
        assert "/bad" in text(tab, "#routes")
        tab.run(f"{row}.querySelector('summary').click()")
        tab.wait_for(f"{row}.querySelector('.stack .site')?.textContent.includes('bad')")
        for _ in range(2):
            client.get(f"{url}bad")
        tab.wait_for(f"{having.format('#stalls > li')}.length === 3")
        tab.wait_for(f"{row}.querySelector('summary').textContent.includes('3stalls')")
        assert tab.run(f"{row}.querySelector('details')?.open ?? {row}.open")
        tab.run("document.querySelector('#flame-section').scrollIntoView()")
        tab.wait_for("document.querySelector('#flame .site')?.ariaLabel.includes('bad')")
        assert text(tab, "#loops .name").startswith(loop)
        assert tab.complaints == []
