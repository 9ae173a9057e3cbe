"""What got better and worse of where requests wait, and of the lines of loop time."""

import io

from loopwatch.core.record_types import Site
from loopwatch.tools.cli.comparison_text import sections
from loopwatch.tools.cli.terminal import Console
from loopwatch.tools.diagnose.compare import compare
from loopwatch.tools.diagnose.markdown import markdown
from tests.tools.diagnose.made import report, throughput
from tests.tools.diagnose.made_estimates import loop_line, wait

MOVED = Site("shop.pool.query", "/app/shop/pool.py", 55, "async with pool:")
NEW = Site("shop.api.ask", "/app/shop/api.py", 3, "await client.get(url)")
BEFORE = report(
    waits=(wait(at_once=18.0), wait(resource="lock", at_once=0.01)),
    loop_lines=(loop_line(share=0.6), loop_line(route="/gone", share=0.3)),
    throughput=throughput(utilization=1.0),
)
AFTER = report(
    waits=(wait(place=MOVED, at_once=2.0), wait(place=NEW, at_once=1.5)),
    loop_lines=(loop_line(share=0.9),),
    throughput=throughput(utilization=0.1),
)


def test_a_line_that_has_moved_is_the_same_line() -> None:
    found = compare(BEFORE, AFTER)
    assert [(r.name, r.before, r.after, r.change) for r in found.waits] == [
        ("GET /users/{id}: pool.py:55 async with pool:", 18.0, 2.0, "better"),
        ("GET /users/{id}: api.py:3 await client.get(url)", None, 1.5, "new"),
    ]


def test_lines_are_compared_by_the_time_they_occupy_the_loop() -> None:
    """90 % of a loop that is busy for a tenth of the time is less than 60 % of a full one."""
    rows = {row.change: row for row in compare(BEFORE, AFTER).loop_lines}
    assert {row.change: (row.before, row.after) for row in rows.values()}.keys() == {
        "better",
        "gone",
    }
    assert rows["better"].after == 0.9 * 0.1


def test_both_are_in_markdown_and_in_the_terminal() -> None:
    found = compare(BEFORE, AFTER)
    told = markdown(found)
    assert "| waiting at a time | before | after |" in told
    assert "| POST /orders: squares.py:8 total += n \\* n | 60 % | 9 % | ✅ better |" in told
    console = Console(file=io.StringIO(), record=True, width=160)
    for part in sections(found):
        console.print(part)
    shown = console.export_text()
    assert "waiting at a time" in shown
    assert "pool.py:55 async with pool:" in shown


def test_reports_without_estimates_have_no_such_rows() -> None:
    found = compare(report(), report())
    assert (found.waits, found.loop_lines) == ((), ())
    assert "waiting at a time" not in markdown(found)
