"""A report in the terminal: readable at 80 columns, and whatever the app calls its things."""

import io

import pytest

from loopwatch.core.record_types import Site
from loopwatch.core.safe_text import safe
from loopwatch.tools.cli import diagnosis_text
from loopwatch.tools.cli.diagnosis_text import BAR, bar
from loopwatch.tools.cli.terminal import Console
from loopwatch.tools.diagnose.report_records import Knee, Report
from tests.tools.diagnose.made import culprit, load, parts, prediction, report, route, throughput
from tests.tools.diagnose.made_estimates import loop_line, wait


def shown(made: Report, width: int = 80) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, markup=False, emoji=False)
    for part in diagnosis_text.sections(made):
        console.print(part)
    return file.getvalue()


def test_verdict_comes_first_then_who_held_who_paid_and_the_limits() -> None:
    made = report(
        culprits=(culprit(predictions=(prediction(0.5, 0.01),)),),
        throughput=throughput(knee=Knee(rate=120.0, base=0.01, limit=0.035, rule="")),
        notes=("The live page did not answer 2 times.",),
        dropped={"labels": 3, "looks": 66},
    )
    text = shown(made)
    order = ["No stalls.", "Who held the loop", "shop.py:23", "Who paid", "\nGET /good", "Limits"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    for words in (
        "without it, p99 of GET /good: 500 ms -> 10 ms",
        "GET /bad: 10 stalls, 5.00 s held",
        "Knee: at 120 requests/s",
        "one process serves at most 1000 requests/s",
        "loopwatch could not keep 3 labels.",
        "loopwatch could not keep 66 looks at where requests wait.",
        "did not answer 2 times",
    ):
        assert words in " ".join(text.split())


def test_fits_80_columns_whatever_the_names() -> None:
    long = "/a/very/long/route/with/{many}/{parameters}/and/no/end/in/sight/at/all"
    site = Site("shop.bad", "/app/" + "x" * 90 + ".py", 7, "f(" + "y" * 190 + ")")
    made = report(routes=(route(long, errors=7),), culprits=(culprit(site=site, route=long),))
    assert max(map(len, shown(made).splitlines())) <= 80


def test_where_requests_wait_and_what_fills_the_loop_in_80_columns() -> None:
    made = report(waits=(wait(), wait(what_if="")) * 4, loop_lines=(loop_line(),) * 9)
    text = " ".join(shown(made).split())
    for words in (
        "What requests wait for 1 pool.py:5 async with pool:",
        "GET /users/{id}: 2 holders, 4 waiting; 81 % of its p99, 77.7 s in all [semaphore]",
        "held by /users/{id} at pool.py:6 await asyncio.sleep(0.05), for 46 ms",
        "held by shop.sweep at pool.py:6 await asyncio.sleep(0.05)",
        "With 4 places p99 would be 0.21 s. The pool has 2 places: give it more.",
        "and 2 more places: see --json",
        "61 % 6.54 s 8.3 ms squares.py:8 total += n * n POST /orders",
        "and 1 more lines: see --json",
    ):
        assert words in text
    assert max(map(len, shown(made).splitlines())) <= 80


def test_bar_is_whole_and_in_proportion() -> None:
    told = bar(parts(queued=0.25, running=0.25, stalled=0.25, waiting=0.25)).plain
    assert told == "".join(mark * (BAR // 4) for mark in "░█▓·")
    assert bar(parts()).plain == ""
    for one in (0.001, 0.333, 0.999):
        assert len(bar(parts(queued=one, running=1 - one)).plain) == BAR


@pytest.mark.parametrize("hostile", ["\x1b[2Jgone", "a\r\nb", "\x9b31m", "\u202e"])
def test_what_an_app_says_moves_no_cursor(hostile: str) -> None:
    made = report(
        routes=(route(hostile),),
        culprits=(culprit(site=Site(hostile, hostile, 7, hostile), route=hostile, advice=hostile),),
        notes=(hostile,),
    )
    lines = shown(made, 200).splitlines()
    assert all(line.isprintable() for line in lines)
    assert sum(safe(hostile) in line for line in lines) >= 3


def test_attached_and_ended_early() -> None:
    assert "watched for 10.0 s" in shown(report(load=None, generator=None))
    text = shown(report(load=load(interrupted=True)))
    assert "10 s, ended early: 400 requests sent" in " ".join(text.split())
