"""The bounds of the table of the loop's time: what has no place is added up, not lost."""

import pytest

from loopwatch.core.record_types import OTHER, Frame, Site
from loopwatch.ledger.loop_time_table import LINE_SITES, LINES, TIME_STACKS, LoopTimeTable


def add(table: LoopTimeTable, function: str, line: int, seconds: float = 1.0) -> None:
    site = Site(function, "a.py", line)
    table.add("/a", site, "json.loads", (Frame(function, "a.py", line),), seconds, 2)


def test_the_same_line_is_one_row() -> None:
    table = LoopTimeTable()
    for _ in range(3):
        add(table, "a.f", 7)
    (reading,) = table.readings()
    assert (reading.route, reading.site.line, reading.call) == ("/a", 7, "json.loads")
    assert (reading.seconds, reading.samples) == (3.0, 6)
    assert reading.stack == (Frame("a.f", "a.py", 7),)
    assert table.overflow == 0


def test_equal_stacks_are_one_row_whether_they_are_the_same_object_or_not() -> None:
    table, site = LoopTimeTable(), Site("a.f", "a.py", 7)
    same, equal = ((Frame("a.f", "a.py", int("7")),) for _ in range(2))
    for stack in (same, same, equal, same):
        table.add("/a", site, "", stack, 1.0, 1)
    table.add("/b", site, "", same, 1.0, 1)
    assert [(stack.route, stack.seconds) for stack in table.stacks()] == [("/a", 4.0), ("/b", 1.0)]


def test_most_seconds_come_first() -> None:
    table = LoopTimeTable()
    for line, seconds in ((1, 1.0), (2, 3.0), (3, 2.0)):
        add(table, "a.f", line, seconds)
    assert [reading.site.line for reading in table.readings()] == [2, 3, 1]


@pytest.mark.parametrize(
    ("count", "functions"), [(LINE_SITES + 50, LINE_SITES + 50), (LINES + 50, 1)]
)
def test_what_has_no_place_is_added_up(count: int, functions: int) -> None:
    table = LoopTimeTable()
    for n in range(count):
        add(table, f"a.f{n % functions}", n)
    readings = table.readings()
    assert len(readings) <= LINES + 1
    assert len({reading.site.function for reading in readings}) <= LINE_SITES + 1
    assert sum(reading.seconds for reading in readings) == count
    assert OTHER in {reading.site.function for reading in readings}
    assert table.overflow >= 50


def test_stacks_are_bounded_and_lose_no_seconds() -> None:
    table = LoopTimeTable()
    for n in range(TIME_STACKS + 10):
        add(table, "a.f", n)
    stacks = table.stacks()
    assert len(stacks) == TIME_STACKS + 1
    assert sum(stack.seconds for stack in stacks) == TIME_STACKS + 10
    assert stacks[-1].frames[0].function == OTHER
