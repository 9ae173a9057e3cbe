"""The live page in a real browser."""

import asyncio
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

from loopwatch import Frame, Histogram, LoopWatchMiddleware, page
from loopwatch.core.record_types import Blocker, SiteReading
from tests.conftest import MakeWatch
from tests.web.page.browser import Tab, browser
from tests.web.page.told import (
    HOSTILE,
    ToldWatch,
    blame,
    full_watch,
    hostile_watch,
    loop_reading,
    request,
    stall,
)

pytestmark = pytest.mark.slow
BARS = "[...document.querySelectorAll('#flame > *')]"
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
        assert "requests waited 8.00\u202fs in total: 94\u202f% of it" in text(tab, "#verdict")
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


def test_who_waited_for_whom(tab: Tab) -> None:
    watch = paid_watch()
    watch.readings["blames"] += (blame("/good", 1.0, "shop.long", 2),)
    with served(page(watch)) as url:
        see(tab, url)
        rows = "[...document.querySelectorAll('#waits-table tr')]"
        cells = json.loads(
            tab.run(f"JSON.stringify({rows}.map(r => [...r.children].map(c => c.textContent)))")
        )
        assert cells == [
            ["Culprit", "total", "/good", "/old", "others"],
            ["shop.dear/bad/{id}", "7.50\u202fs", "5.00\u202fs", "2.50\u202fs", ""],
            ["shop.long/bad/{id}", "1.00\u202fs", "1.00\u202fs", "", ""],
        ]
        tab.run("document.querySelector('#waits button').click()")
        tab.wait_for("document.querySelector('#culprits > li details').open")
        assert "shop.dear" in tab.run("document.activeElement.textContent")
        watch.readings["blames"] = (blame("/new", 9.0, "shop.long"),)
        tab.wait_for("document.querySelector('#victims').textContent === 'Culprittotal/newothers'")
        assert tab.run(f"{rows}[1].children.length") == 4


def test_stall_shows_where_its_time_went(tab: Tab) -> None:
    told = stall(
        duration=0.5,
        cpu_seconds=0.1,
        run_queue_seconds=0.05,
        throttled_seconds=None,
        victims=3,
        lost_request_seconds=0.75,
        advice="Use await asyncio.sleep(...).",
    )
    with served(page(ToldWatch(told))) as url:
        see(tab, url)
        tab.run("document.querySelector('#stalls summary').focus()")
        tab.press("Enter", "\r")
        tab.wait_for("document.querySelector('#stalls .evidence')")
        evidence = "[...document.querySelectorAll('#stalls .evidence > span')]"
        lines = tab.run(f"{evidence}.map(e => e.textContent).join('; ')").replace("\u202f", " ")
        assert lines.startswith("100 mson the CPU; 350 mswaiting, off the CPU; 50 msrun queue")
        assert "not knownthrottled" in lines
        detail = text(tab, "#stalls .detail").replace("\u202f", " ")
        assert "3 requests, 750 ms in total" in detail
        assert "Use await asyncio.sleep(...)." in detail
        assert "shop.bad" in text(tab, "#stalls .stack .site")


def test_arrow_keys_go_from_row_to_row(tab: Tab) -> None:
    stalls = (stall(f"shop.f{i}", started_at=1.8e9 + i) for i in range(3))
    with served(page(ToldWatch(*stalls))) as url:
        see(tab, url)
        tab.run("document.querySelector('#stalls summary').focus()")
        at = "[...document.querySelectorAll('#stalls summary')].indexOf(document.activeElement)"
        found = []
        for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "Home", "End"):
            tab.press(key)
            found.append(tab.run(at))
        assert found == [1, 2, 2, 1, 0, 2]
        assert tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def flame_watch() -> ToldWatch:
    """Return one held for 3 s by `shop.slow`, 1 s by `shop.quick`, below the same frames."""
    outer = (Frame("server.run", "/srv/s.py", 1), Frame("server.call", "/srv/s.py", 2))
    return ToldWatch(
        *(
            stall(name, seconds, stack=(*outer, Frame(name, "/app/shop.py", line), *inner))
            for name, seconds, line, inner in (
                ("shop.slow", 3.0, 1, (Frame("lib.a", "/lib.py", 1), Frame("lib.b", "/lib.py", 2))),
                ("shop.quick", 1.0, 2, ()),
            )
        ),
        sites=(site_reading("shop.slow"), site_reading("shop.quick")),
    )


def site_reading(name: str) -> SiteReading:
    return SiteReading(route="/bad", site=name, cause="cpu", stalls=Histogram.empty((1.0,)))


def test_flame_graph_zooms_by_click_and_by_key(tab: Tab) -> None:
    with served(page(flame_watch())) as url:
        see(tab, url)
        tab.run("document.querySelector('#flame-section').scrollIntoView()")
        tab.wait_for(f"{BARS}.length === 5")
        names = f"{BARS}.map(b => b.textContent).join('|')"
        widths = f"{BARS}.map(b => Math.round(parseFloat(b.style.width))).join()"
        assert tab.run(names) == "all stalls|server.call  +1|shop.slow|shop.quick|lib.b  +1"
        assert tab.run(widths) == "100,100,75,25,75"
        assert "3.00\u202fs, 75\u202f%" in tab.run(f"{BARS}[2].ariaLabel")
        tab.run(f"{BARS}[3].click()")
        assert tab.run(names) == "all stalls|server.call  +1|shop.quick"
        assert tab.run(widths) == "100,100,100"
        assert tab.run("document.activeElement.textContent") == "shop.quick"
        tab.press("Escape")
        assert tab.run(widths) == "100,100,75,25,75"
        for key in ("ArrowDown", "ArrowRight", "ArrowLeft"):
            tab.press(key)
        assert tab.run("document.activeElement.textContent") == "shop.slow"
        tab.press("Enter", "\r")
        assert tab.run(names) == "all stalls|server.call  +1|shop.slow|lib.b  +1"
        tab.run("document.querySelector('#every-frame').click()")
        assert tab.run(names) == "all stalls|server.run|server.call|shop.slow|lib.a|lib.b"
        tab.run("document.querySelector('#zoom-out').click()")
        assert tab.run(f"{BARS}.length") == 7
        assert tab.run(f"{BARS}.filter(b => b.tabIndex === 0).length") == 1
        assert tab.complaints == []


def test_chart_shows_differences_and_survives_a_reload(tab: Tab) -> None:
    """Half busy, half of the time late by 0.1 to 0.25 s; a stall is marked, and opens by key."""
    began = time.time()
    watch = ToldWatch(stall(started_at=began - 1, duration=0.5))
    watch.readings["loops"] = (loop_reading(10.0, 10.0, 100),)
    with served(page(watch)) as url:
        tab.go("about:blank")
        see(tab, url)
        assert "second reading" in text(tab, "#loops .readout")
        assert tab.run("document.querySelector('.marks .high').getAttribute('d').length") > 0
        watch.readings["loops"] = (loop_reading(11.0, 11.0, 200, 0, 0, 0, 0, 0, 0, 100),)
        tab.wait_for("document.querySelector('#loops .readout').textContent.includes('p99 24')")
        assert text(tab, "#loops .big") == "50\u202f%"
        tab.run("location.reload()")
        watch.readings["loops"] = (loop_reading(14.0, 12.0, 300),)
        tab.wait_for(READ)
        tab.wait_for("document.querySelector('#loops .big')?.textContent.startsWith('75')")
        tab.run("document.querySelector('#loops .plot').focus()")
        tab.press("Home")
        slider = "document.querySelector('#loops .plot')"
        assert int(tab.run(f"{slider}.ariaValueMax")) >= 1
        assert "busy" in tab.run(f"{slider}.ariaValueText")
        tab.press("Enter", "\r")
        tab.wait_for("document.querySelector('#stalls details').open")
        watch.readings["loops"] = (loop_reading(0.5, 0.5, 10),)  # a process begun anew
        tab.wait_for("document.querySelector('#loops .readout').textContent.includes('second')")


def test_what_holds_a_loop_right_now_stands_above_all(tab: Tab) -> None:
    watch = ToldWatch()
    why = Blocker(kind="lock", text="waits for a lock held by thread '<b>x</b>' at app.py:1")
    held = stall(duration=2.5, in_progress=True, route="/<b>x</b>", blocker=why)
    watch.readings["in_progress"] = (held,)
    with served(page(watch)) as url:
        see(tab, url)
        said = text(tab, "#holding").replace("\u202f", " ")
        assert said.startswith("GET /<b>x</b> has been holding the loop for 2.50 s at ")
        assert "time.sleep(0.25)" in said
        assert said.endswith("; it waits for a lock held by thread '<b>x</b>' at app.py:1.")
        watch.readings["in_progress"] = ()
        tab.wait_for("document.querySelector('#holding').hidden")
    assert tab.complaints == []


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
