"""The live page in a browser: stalls, where their time went, and the one that goes on."""

import pytest

from loopwatch import page
from loopwatch.core.record_types import Blocker
from tests.web.page.browser import Tab
from tests.web.page.browser import tab as tab
from tests.web.page.served_page import see, served, text
from tests.web.page.told import ToldWatch, stall

pytestmark = pytest.mark.slow


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
