"""The live page in a real browser."""

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
from .told import HOSTILE, ToldWatch, hostile_watch, stall

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
        for place in ("#culprits .call", "#routes th", "#loops .name", "#dropped", "#verdict"):
            assert seen in text(tab, place), place
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


def test_page_fits_a_phone(tab: Tab) -> None:
    watch = ToldWatch(stall("shop." + "very_long_name" * 20, route="/bad/" + "x" * 200))
    with served(page(watch)) as url:
        tab.size(360, 740, mobile=True)
        try:
            see(tab, url)
            tab.run("document.querySelectorAll('summary').forEach(s => s.click())")
            tab.wait_for("document.querySelectorAll('.stack').length === 2")
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
