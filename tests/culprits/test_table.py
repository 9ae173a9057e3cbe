"""The table of everywhere code can block: right route, right line, right cause, on both loops."""

import sys
from collections.abc import Iterator

import pytest

from tests.calm import begin_again, in_calm, too_busy

from .judging import judge
from .marks import marks
from .rows import GOOD, ROWS, Row
from .serving import Table, serve_table
from .usable import unusable

pytestmark = pytest.mark.slow
STARTS = 3  # of a server, for the row that is its start: no round of it can be begun again
SIGNALS = 10  # each comes at another moment of libuv's millisecond
EAGER = ("endpoint", "deep", "dependency", "asgi_before", "create_task", "regex")
BY_NAME = {row.name: row for row in ROWS}


@pytest.fixture(scope="module")
def table(loop: str) -> Iterator[Table]:
    with serve_table(loop) as table:
        yield table


def check(table: Table, row: Row) -> None:
    outcome, disturbed = judge(table, row)
    for why in disturbed:
        begin_again(why)
    if outcome.verdict == "starved":
        too_busy("no calm round")
    assert outcome.holds, outcome.fault


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_culprit_is_named(table: Table, row: Row, loop: str) -> None:
    if why := unusable(row):
        pytest.skip(why)
    for _ in range(STARTS - 1):
        if row.trigger != "STARTUP" or judge(table, row)[0].verdict != "missing":
            break
        with serve_table(loop) as another:
            table = another
    check(table, row)


def test_a_signal_right_after_the_stalls_were_cleared_is_a_stall(table: Table) -> None:
    missing = [not table.run(BY_NAME["signal_in_poll"]) for _ in range(SIGNALS)]
    assert not any(missing)


@pytest.mark.parametrize("path", GOOD)
@in_calm
def test_good_twin_is_no_stall(table: Table, path: str) -> None:
    assert table.get(path) == []


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_culprits_are_named_under_an_eager_task_factory(loop: str) -> None:
    if loop == "uvloop":
        pytest.skip("uvloop itself refuses eager tasks")
    with serve_table(loop, EAGER="1") as table:
        for name in EAGER:
            check(table, BY_NAME[name])


def test_every_mark_has_a_row() -> None:
    assert {row.mark or row.name for row in ROWS} == set(marks())
