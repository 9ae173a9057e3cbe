"""The demo's table: who comes first, what it says, and that it fits a terminal."""

from typing import Any

import pytest

from examples.demo.culprits import HEADINGS, culprits, table
from examples.demo.tour import headline
from loopwatch import Site, Stall

LONG = "chat.completions.create(model=llm.chat_model, messages=llm.ask(question.message))"


def stall(name: str, duration: float, **fields: Any) -> Stall:
    site = Site(f"examples.demo.{name}", "/app/child_task.py", 137, LONG)
    given: dict[str, Any] = {"route": f"/{name}", "method": "GET", "cause": "gil_contention"}
    return Stall(started_at=1.8e9, duration=duration, site=site, **(given | fields))


def test_dearest_comes_first() -> None:
    """By lost request-seconds; where nobody waited, by seconds held."""
    found = culprits(
        [
            stall("held.short", 0.1),
            stall("held.long", 9.0),
            stall("dear.one", 0.2, victims=2, lost_request_seconds=0.3),
            stall("dear.two", 0.2, victims=1, lost_request_seconds=0.5),
            stall("dear.one", 0.2, victims=3, lost_request_seconds=0.4),
        ]
    )
    assert [(c.waited, round(c.lost, 3), c.total) for c in found] == [
        (5, 0.7, 0.4),
        (1, 0.5, 0.2),
        (0, 0.0, 9.0),
        (0, 0.0, 0.1),
    ]
    assert headline(found).endswith("5 stalls, for which requests waited 1 s")
    assert dict(zip(HEADINGS, found[0].row, strict=True)) | {"call": ""} == {
        "lost s": "0.70",
        "waited": "5",
        "total s": "0.40",
        "times": "2",
        "line": "child_task.py:137",
        "call": "",
        "function": "dear.one",
        "route": "GET /dear.one",
        "cause": "gil_contention",
    }


def test_nothing_is_cut_off_in_a_terminal_of_100_columns() -> None:
    found = culprits([stall("a.b", 100.0, victims=100, lost_request_seconds=123.4)])
    lines = table(found, 100)
    assert max(map(len, lines)) <= 100
    assert lines[0].endswith("cause")
    assert lines[2].endswith("gil_contention")
    assert lines[3].strip() == "a.b, GET /a.b"


@pytest.mark.parametrize("width", [None, 400])
def test_row_is_one_line_where_there_is_room(width: int | None) -> None:
    assert len(table(culprits([stall("a.b", 1.0)]), width)) == 2


def test_without_stalls_the_table_has_its_headings() -> None:
    assert table([]) == ["  ".join(HEADINGS)]
    assert headline([]).endswith("0 stalls, for which requests waited 0 s")
