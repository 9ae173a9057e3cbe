"""Draws what people look at, as it shows the demo: docs/page*.png, docs/top.svg, docs/report.png.

    python -m docs.screens

It runs the demo for some seconds, then `loopwatch diagnose` on it, with a Chromium and a terminal's
size of its own. Nothing of what they show is changed.
"""

import base64
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from loopwatch.tools.cli.readings import reading
from loopwatch.tools.cli.remote import Remote
from loopwatch.tools.cli.screen import drawn
from loopwatch.tools.cli.screen_parts import View
from loopwatch.tools.cli.terminal import Console
from tests.ports import free_port
from tests.serving import wait_for
from tests.web.page.browser import Tab, browser

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1100, 900  # px
COLUMNS, LINES = 132, 34
LOADED = 16.0  # s until the demo has been visited
REPORT_HEIGHT = 1500  # px
DIAGNOSE = (
    *(sys.executable, "-m", "loopwatch", "diagnose", "examples.demo.app:create_app", "--factory"),
    *("--get", "/sleep/to-thread", "--weight", "4", "--get", "/sleep/async-def"),
    *("--get", "/cpu/async-def", "--post", "/chat/openai", "--body", "{}", "--get", "/pdf/direct"),
    *("--rate", "5", "--duration", "16"),
)


def main() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/loopwatch/"
    command = [sys.executable, "-m", "examples.demo", "--seconds", "60", "--port", str(port)]
    demo = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, demo)
        before = Remote(url).snapshot()
        with browser() as tab:
            tab.size(WIDTH, HEIGHT)
            tab.go(url)
            time.sleep(LOADED / 2)
            draw_top(url, before)
            time.sleep(LOADED / 2)
            draw_page(tab)
    finally:
        demo.terminate()
        demo.wait(timeout=20)
    draw_report()


def draw_page(tab: Tab) -> None:
    """Draw its top with a culprit open, and from the loops to who waited for whom."""
    tab.run("document.querySelector('#flame-section').scrollIntoView()")
    tab.wait_for("document.querySelector('#flame .site')")
    tab.run("scrollTo(0, 0)")
    loops, waits, flame = (bounds(tab, name) for name in ("loops", "waits", "flame"))
    save(tab, "page-loops.png", loops[0] - 24, waits[1] + 24)
    save(tab, "page-flame.png", flame[0] - 24, flame[1] + 24)
    tab.run("document.querySelector('#culprits summary').click()")
    tab.wait_for("document.querySelector('#culprits .stack')")
    save(tab, "page.png", 0, HEIGHT)


def draw_report() -> None:
    with tempfile.TemporaryDirectory() as folder, browser() as tab:
        path = Path(folder) / "report.html"
        subprocess.run([*DIAGNOSE, "--html", str(path)], check=True, stdout=subprocess.DEVNULL)
        tab.size(WIDTH, HEIGHT)
        tab.go(path.as_uri())
        tab.wait_for("document.querySelector('footer, section')")
        save(tab, "report.png", 0, REPORT_HEIGHT)


def bounds(tab: Tab, name: str) -> tuple[float, float]:
    box = f"document.querySelector('[aria-labelledby={name}-title]').getBoundingClientRect()"
    return tab.run(f"{box}.top"), tab.run(f"{box}.bottom")


def save(tab: Tab, name: str, top: float, bottom: float) -> None:
    clip = {"x": 0, "y": top, "width": WIDTH, "height": bottom - top, "scale": 1}
    tab.run("document.querySelector('header').style.position = 'static'")  # else it is in the way
    shot = tab.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    (HERE / name).write_bytes(base64.b64decode(shot["data"]))


def draw_top(url: str, before: dict[str, Any]) -> None:
    with open("/dev/null", "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, height=LINES, file=nowhere, highlight=False)
        view = View(url=url, sort="lost", width=COLUMNS, height=LINES, colour=True, keys=True)
        console.print(drawn(reading(Remote(url).snapshot(), before), view))
    drawing = console.export_svg(title=f"loopwatch top {url}")
    drawing = re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", drawing, flags=re.DOTALL)  # of elsewhere
    (HERE / "top.svg").write_text(drawing.replace("Fira Code", "DejaVu Sans Mono"), "utf-8")


if __name__ == "__main__":
    main()
