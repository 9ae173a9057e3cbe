"""The live page in a browser: the flame graph, and the chart of each loop."""

import time

import pytest

from loopwatch import Frame, Histogram, page
from loopwatch.core.record_types import SiteReading
from tests.web.page.browser import Tab
from tests.web.page.browser import tab as tab
from tests.web.page.served_page import BARS, READ, see, served, text
from tests.web.page.told import ToldWatch, loop_reading, stall

pytestmark = pytest.mark.slow


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
