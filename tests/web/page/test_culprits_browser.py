"""The live page in a browser: culprits, and the routes that waited for them."""

import json

import pytest

from loopwatch import page
from tests.web.page.browser import Tab
from tests.web.page.browser import tab as tab
from tests.web.page.served_page import DASH, see, served, text
from tests.web.page.told import ToldWatch, blame, request, stall

pytestmark = pytest.mark.slow


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
