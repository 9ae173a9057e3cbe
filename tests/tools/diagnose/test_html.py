"""The report as a page: everything is on it, nothing of it is markup of the app's or from afar."""

import base64
import hashlib
import importlib
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from loopwatch.core.extras import MissingExtraError
from loopwatch.tools.diagnose.html import ROUTES, document, short_file, short_frame
from loopwatch.tools.diagnose.report_records import Command
from tests.tools.diagnose import report_parts, reports
from tests.tools.diagnose.documents import EDGES, Page, made, page
from tests.web.page.told import HOSTILE

ROOT = Path(__file__).resolve().parents[3]
NAMESPACE = "xmlns='http://www.w3.org/2000/svg'"


@pytest.mark.parametrize("edge", EDGES)
def test_every_kind_of_report_is_a_sound_document(edge: str) -> None:
    found = page(edge)
    assert found.wrong == []
    assert made(edge).startswith("<!doctype html>")
    ids = Counter(found.values("id"))
    assert [name for name, count in ids.items() if count > 1] == []
    wanted = {value[1:] for value in found.values("href") if value.startswith("#")}
    assert wanted - ids.keys() == set()


@pytest.mark.parametrize("edge", EDGES)
def test_asks_for_nothing_and_runs_nothing(edge: str) -> None:
    found = page(edge)
    assert found.tags["script"] == found.tags["img"] == found.tags["iframe"] == 0
    assert [
        name for _, name, _ in found.attributes if name.startswith("on") or name == "style"
    ] == []
    asked = [v for _, name, v in found.attributes if name.endswith("href") or name == "src"]
    assert [v for v in asked if not v.startswith(("#", "data:image/svg+xml,"))] == []
    afar = made(edge).replace(NAMESPACE, "").replace("http://127.0.0.1:8000", "")
    assert re.findall(r"https?:|@import|url\((?!#)", afar) == []


def test_policy_allows_its_one_style_and_nothing_else() -> None:
    styles = re.findall(r"<style>(.*?)</style>", made("whole"), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    policy = next(v for v in page().values("content") if "default-src" in v)
    assert len(styles) == 1
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_names_from_the_app_are_text_everywhere() -> None:
    """In what is written, in attributes, and in the titles inside the plots."""
    found = page("hostile")
    shown = " ".join("".join(c if c.isprintable() else " " for c in HOSTILE).split())
    assert found.text.count(shown) > 40
    assert f"250 ms at 0.50 s: {shown}" in found.text
    assert any(shown in " ".join(value.split()) for value in found.values("title"))
    assert [found.tags[tag] for tag in ("img", "script", "b")] == [0, 0, page().tags["b"]]
    assert re.findall(r"[^\n\t -\ud7ff\ue000-\U0010ffff]|\u202e", made("hostile")) == []


@pytest.mark.parametrize(
    "told",
    [
        *("The loop is held", "p99 now 512 ms", "without that line 42 ms", "that line 92 %"),
        *("shop.main:app", "uvloop, Python 3.13.1", "loopwatch 0.1.9", "does not see callbacks"),
        *("60 requests/s planned, 59.7 reached", "1,241 sent, 1,239 answered", "timeout: 2"),
        *("\u00d7 6", "4.1 ms at p99", "31 of 900 connections", "could not keep 3 route"),
        *("requests.get(url)", "shop/orders.py:21", "blocking call", "Use httpx.AsyncClient"),
        "lost 41.5 s waited 88 stalls 11 held 6.10 s longest 777 ms",
        *("20 async def total():", "21 price = requests.get(url)", "2 lines of it", "(near)"),
        *("/users/{id} 77 40.4 s", "21 ms → 19 ms 512 ms → 42 ms", "web/routing.py:77"),
        *("GET /users/{id} 1,234 7 failed 23 ms 303 ms 514 ms 21 ms 512 ms 2.6 ms 385/s",),
        "mean 96 ms: queued 11 ms running 2.2 ms stalled 33 ms waiting 44 ms unexplained 5.5 ms",
        *("3.5 ms for a free thread", "41.5 s lost to stalls in all"),
        *("slowest 3 of 1,000 487 ms", "typical 3 of 1,000 22 ms", "queued 10 ms running 2.0 ms"),
        *("shop.orders.total of /orders 400 ms", "p99.9", "without any stall", "client, now"),
        *("served 58.6/s", "ceiling 115/s", "8.7 ms", "busy for 51 % of the time", "63 % 6.60 s"),
        *("6.10 s in total", "pay.now:3", "shop.pay.now:3: 1.50 s, 25 %"),
        *("in the socket, before the app began", "--json FILE", "--compare BEFORE.json"),
    ],
)
def test_tells_what_the_report_holds(told: str) -> None:
    assert told in page().text


def test_marks_the_lines_that_held_the_loop_and_where_requests_waited() -> None:
    assert re.findall(r'<li class="hit"><i>(\d+)</i>', made("whole")) == ["21", "5"]
    assert re.findall(r'<li class="site"><code>([\w.]+)', made("whole")) == [report_parts.SITE]


def test_names_and_paths_between_backticks_stand_out() -> None:
    assert '<p class="verdict"><code>GET /users/{id}</code> waits for <code>/orders</code>: ' in (
        made("whole")
    )


def test_attached_shows_true_latency_alone() -> None:
    found = page("attached")
    assert "Attached to http://127.0.0.1:8000" in found.text
    assert "Clients saw" not in found.text
    assert "/users/{id} 1,234 21 ms 301 ms 512 ms" in found.text
    assert "This loop does not report how busy it is" in found.text
    assert "cannot show the slowest" in found.text


def test_says_so_where_there_is_nothing() -> None:
    for told in ("Too short to draw", "Nothing held", "No request was finished", "no stalls to"):
        assert told in page("nothing").text
    assert page("nothing").tags["article"] == 0


def test_a_ramp_tells_its_knee_and_that_it_was_ended_early() -> None:
    assert "The knee is at 130 requests/s" in page("ramped").text
    assert "10 to 200 requests/s planned" in page("ramped").text
    assert "ended early by hand" in page("ramped").text
    assert "No knee" in page("never bent").text


def test_routes_beyond_the_table_are_summed() -> None:
    found = page("crowd").text
    assert f"{256 - ROUTES} more routes, together {256 - ROUTES} " in found
    assert f"{7 * (256 - ROUTES):,} failed" in found
    assert "the latest 256 of 4,000 stalls are marked" in found
    assert "The JSON has 248 more routes" in found
    assert "The JSON has 250 more routes" in found


def test_a_tick_of_many_callbacks_names_them() -> None:
    found = page("crowd").text
    assert "unknown line many callbacks outside any request in unknown" in found
    assert "shop.tick – 400 ms shop.tock 912 200 ms" in found  # noqa: RUF001


def test_tells_the_load_tool_and_the_generators_complaints() -> None:
    whole = reports.report()
    assert whole.generator is not None
    text = Page(
        document(
            replace(
                whole,
                command=Command(program="hey", exit_code=3),
                generator=replace(whole.generator, complaints=("it was late",), unsent=12),
            )
        )
    ).text
    assert "hey , exit code 3" in text
    assert "was the bottleneck: it was late (sent" in text
    assert "12 given up" in text


def test_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    """In another process too, with other hashes, and whatever the user has told matplotlib."""
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nsvg.fonttype: path\n")
    script = (
        "import sys; from tests.tools.diagnose.reports import report\n"
        "from loopwatch.tools.diagnose.html import document\n"
        "sys.stdout.reconfigure(encoding='utf-8'); sys.stdout.write(document(report()))\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    paths = {"MATPLOTLIBRC": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | paths, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().replace("\r\n", "\n") == made("whole") == document(reports.report())


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_says_what_to_install(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = (
        "loopwatch.tools.diagnose.html" if library == "jinja2" else "loopwatch.tools.diagnose.plots"
    )
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, module)
    words = rf"--html must have {library}.*pip install 'loopwatch\[report\]'"
    with pytest.raises(MissingExtraError, match=words):
        importlib.import_module(module)


@pytest.mark.parametrize(
    ("whole", "short"),
    [
        ("web.routing.request_response.<locals>.app:175", "request_response.app:175"),
        ("shop.total:9", "shop.total:9"),
        ("_NONE", "_NONE"),
    ],
)
def test_narrow_bars_show_the_end_of_a_name(whole: str, short: str) -> None:
    assert short_frame(whole) == short


@pytest.mark.parametrize(
    ("whole", "short"),
    [
        ("/v/lib/python3.11/site-packages/web/app.py", "web/app.py"),
        ("C:\\srv\\shop\\orders.py", "shop/orders.py"),
        ("orders.py", "orders.py"),
        ("", ""),
    ],
)
def test_files_are_shown_by_their_end(whole: str, short: str) -> None:
    assert short_file(whole) == short
