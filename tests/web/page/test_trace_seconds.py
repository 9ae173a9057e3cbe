"""`trace.json`: how far back, and to whom."""

import pytest

from loopwatch import page
from loopwatch.web.page.trace_seconds import trace_seconds
from tests.exporters.trace_format import read
from tests.web.page.answer import ask
from tests.web.page.told import ToldWatch


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        (b"", 30.0),
        (b"seconds=10", 10.0),
        (b"seconds=9.2", 10.0),
        (b"seconds=0.001", 1.0),
        (b"seconds=31", 30.0),
        (b"seconds=1e9", 30.0),
        (b"other=1&seconds=2", 2.0),
    ],
)
def test_seconds_are_whole_and_thirty_at_most(query: bytes, seconds: float) -> None:
    """So those who ask for nearly the same share an answer."""
    assert trace_seconds({"query_string": query}) == seconds


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon", "", "%00"])
def test_seconds_that_are_none(value: str) -> None:
    answer = ask(page(ToldWatch()), "/trace.json", query_string=f"seconds={value}".encode())
    assert answer.status_code == 400
    assert answer.text.startswith("seconds must be a number above 0")


def test_a_trace_is_not_kept_for_those_who_ask_later() -> None:
    watch, asked = ToldWatch(), list[float]()

    def trace(seconds: float = 30.0) -> bytes:
        asked.append(seconds)
        return b"{}"

    watch.trace = trace  # type: ignore[method-assign]
    app = page(watch)
    app._answers._budget.due_in = lambda: 0.0 if len(asked) < 2 else 0.1  # type: ignore[attr-defined]
    for _ in range(2):
        assert ask(app, "/trace.json", query_string=b"seconds=5").content == b"{}"
    assert asked == [5.0, 5.0]
    assert not app._answers._kept  # type: ignore[attr-defined]


def test_a_watch_of_no_loop_has_an_empty_trace() -> None:
    assert read(ask(page(ToldWatch()), "/trace.json").content).about["loops"] == []
