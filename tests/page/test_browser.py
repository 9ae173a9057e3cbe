"""The live page in a real browser."""

import dataclasses
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from loopwatch import LoopWatchMiddleware, page

from ..conftest import MakeWatch
from .browser import Tab, browser
from .told import HOSTILE, ToldWatch, blame, hostile_watch, request, stall

DASH = "\u2013"  # nothing is known
READ = "document.querySelector('#state')?.className === 'state live'"


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser() as opened:
        yield opened


@contextmanager
def served(app: Any, loop: Any = "asyncio") -> Iterator[str]:
    """Serve an app on a thread; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, lifespan="off", loop=loop)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(timeout=20)


def see(tab: Tab, url: str) -> None:
    tab.complaints.clear()
    tab.requested.clear()
    tab.go(url)
    tab.wait_for(READ)


def text(tab: Tab, selector: str) -> str:
    return str(tab.run(f"document.querySelector({selector!r}).textContent"))


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
        ):
            assert seen in text(tab, place), place
        tab.run("document.querySelector('#culprits summary').click()")
        tab.wait_for("document.querySelector('#culprits .paid tbody')")
        assert seen in text(tab, "#culprits .paid tbody")
        tab.run("document.querySelector('#stalls summary').click()")
        tab.wait_for("document.querySelector('#stalls .stack li')")
        assert seen in text(tab, "#stalls .stack li")
        assert not tab.run("Boolean(document.querySelector('img'))")
        assert tab.complaints == []
        assert all(address.startswith((url, "data:")) for address in tab.requested)


def test_culprit_opens_by_keyboard_and_stays_open(tab: Tab) -> None:
    """Readings that come meanwhile take neither focus nor what is open away."""
    watch = ToldWatch(stall(), stall("shop.worse", 2.0))
    with served(page(watch)) as url:
        see(tab, url)
        first = "document.querySelector('#culprits summary')"
        assert "shop.worse" in text(tab, "#culprits")
        tab.run(f"{first}.focus()")
        tab.press("Enter", "\r")
        tab.wait_for("document.querySelector('#culprits details').open")
        tab.wait_for("document.querySelector('#culprits .stack li.site')")
        watch.told = (*watch.told, stall("shop.worst", 3.0))
        tab.wait_for("document.querySelectorAll('#culprits > li').length === 3")
        assert tab.run("document.querySelectorAll('#culprits > li')[1].firstChild.open")
        assert tab.run("document.activeElement.textContent").count("shop.worse") == 1
        assert "shop.worst" in text(tab, "#culprits")
        tab.wait_for("document.querySelector('#verdict').textContent.includes('3 stalls')")


def paid_watch() -> ToldWatch:
    """Return one with a long stall that cost little, and a short one that cost two routes much."""
    parts = {"queued": 0.3, "stalled": 0.6, "running": 0.004, "background": 0.001, "waiting": 0.096}
    return ToldWatch(
        stall("shop.long", 2.0, victims=1, lost_request_seconds=0.5),
        stall("shop.dear", 0.25, victims=12, lost_request_seconds=7.5),
        requests=(
            request("/good", (0.9, 0.9), {"shop.dear": 0.4}, parts=parts),
            request("/calm", (0.0,)),
        ),
        blames=(blame("/good", 5.0, "shop.dear", 8), blame("/old", 2.5, "shop.dear", 4)),
    )


def test_culprits_rank_by_what_requests_waited_for_them(tab: Tab) -> None:
    with served(page(paid_watch())) as url:
        see(tab, url)
        first = text(tab, "#culprits > li")
        assert "shop.dear" in first
        for figure in ("7.50\u202fslost", "12waited", "250\u202fmsheld", "1stalls"):
            assert figure in first
        assert "requests waited 8.00\u202fs in all: 94\u202f% of it" in text(tab, "#verdict")
        line = "Without it, p99 of GET /good 900\u202fms → 500\u202fms"
        assert text(tab, "#culprits .without") == line
        assert tab.run("document.querySelectorAll('#culprits .without')[1].hidden")


def test_open_culprit_says_whom_it_made_wait(tab: Tab) -> None:
    """And goes on doing so with every reading."""
    watch = paid_watch()
    rows = "[...document.querySelectorAll('#culprits .paid tbody tr')]"
    cells = f"JSON.stringify({rows}.map(r => [...r.children].map(c => c.textContent)))"
    with served(page(watch)) as url:
        see(tab, url)
        tab.run("document.querySelector('#culprits summary').click()")
        tab.wait_for(f"{rows}.length === 2")
        assert json.loads(tab.run(cells)) == [
            ["/good", "8", "5.00\u202fs", "900\u202fms → 500\u202fms", "900\u202fms → 500\u202fms"],
            ["/old", "4", "2.50\u202fs", DASH, DASH],
        ]
        tab.run(f"window.kept = {rows}[0]")
        watch.readings["blames"] = (blame("/good", 6.0, "shop.dear", 9),)
        tab.wait_for(f"{rows}.length === 1")
        assert tab.run(f"{rows}[0] === window.kept && window.kept.children[1].textContent") == "9"


def test_route_shows_its_four_parts_and_its_ceiling(tab: Tab) -> None:
    good = "[...document.querySelectorAll('#routes tr')].find(r => r.textContent.includes('/good'))"
    bars = f"[...{good}.querySelectorAll('.parts i')]"
    with served(page(paid_watch())) as url:
        see(tab, url)
        label = tab.run(f"{good}.querySelector('.parts').ariaLabel")
        assert label == (
            "queued 150\u202fms, stalled 300\u202fms, running 2.0\u202fms, waiting 48\u202fms"
        )
        widths = tab.run(f"{bars}.map(i => i.getBoundingClientRect().width)")
        assert widths[1] == pytest.approx(2 * widths[0], rel=0.05)
        assert len(set(tab.run(f"{bars}.map(i => getComputedStyle(i).backgroundColor)"))) == 4
        assert tab.run(f"{good}.lastElementChild.textContent") == "400/s"
        assert tab.run(f"{good}.children[5].textContent") == "2.5\u202fms"


def test_routes_sort_by_a_part(tab: Tab) -> None:
    watch = ToldWatch(
        requests=(request("/a", (1.0,), parts={"queued": 0.2}), request("/b", (2.0,)))
    )
    order = "[...document.querySelectorAll('#routes th code')].map(c => c.textContent).join()"
    queued = (
        "[...document.querySelectorAll('#columns button')].find(b => b.textContent === 'Queued')"
    )
    with served(page(watch)) as url:
        see(tab, url)
        assert sorted(tab.run(order).split(",")) == ["/a", "/b"]
        for wanted in ("/a,/b", "/b,/a"):
            tab.run(f"{queued}.click()")
            assert tab.run(order) == wanted
        assert tab.run(f"{queued}.closest('th').ariaSort") == "ascending"
        assert tab.run("document.querySelectorAll('[data-sort]').length") == 1


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
            assert tab.run("document.documentElement.scrollWidth") <= 360
        finally:
            tab.size(1280, 900)


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
    """A call that blocks shows up by itself, with the line that it stands on."""
    watch = make_watch()
    app = FastAPI()
    app.mount("/loopwatch", page(watch))
    app.add_middleware(LoopWatchMiddleware, watch=watch)

    @app.get("/bad")
    async def bad() -> str:
        time.sleep(0.2)
        return "late"

    with served(app, loop) as url, httpx.Client(trust_env=False) as client:
        see(tab, f"{url}loopwatch/")
        assert client.get(f"{url}bad").json() == "late"
        tab.wait_for("document.querySelector('#culprits')?.textContent.includes('GET /bad')")
        assert "time.sleep(0.2)" in text(tab, "#culprits")
        assert "GET /bad" in text(tab, "#culprits")
        assert "/bad" in text(tab, "#routes")
        assert text(tab, "#loops .name").startswith(loop)
        assert tab.complaints == []
