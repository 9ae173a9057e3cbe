"""Advice by cause: what is said of a stall where no call is known."""

from typing import Any

import pytest

from loopwatch.core.causes import Cause
from loopwatch.core.record_types import Contributor, Frame, GilHolder, Site, Stall
from loopwatch.explain.advice import Adviser
from loopwatch.explain.observation import Observation

ADVISER = Adviser()


def stalled(cause: Cause, **fields: Any) -> Stall:
    return Stall(started_at=0.0, duration=1.0, cause=cause, **fields)


HOLDER = GilHolder(thread="cruncher", site=Site("shop.crunch"), cpu_seconds=0.9)
PARTS = tuple(Contributor(coroutine=f"shop.part_{n}", count=9, seconds=0.1) for n in range(5))
IMPORTING = (
    Frame("shop.handler", "/app/shop.py", 7),
    Frame("importlib._bootstrap._find_and_load", "<frozen importlib._bootstrap>", 1),
    Frame("pandas.<module>", "/x/site-packages/pandas/__init__.py", 1),
    Frame("pandas.core.<module>", "/x/site-packages/pandas/core.py", 1),
)


@pytest.mark.parametrize(
    ("stall", "words"),
    [
        (stalled("cpu"), "a thread would do is not known"),
        (stalled("native_gil"), "the call keeps the GIL"),
        (stalled("blocking_call"), "asyncio.to_thread"),
        (stalled("gc"), "gc.freeze()"),
        (stalled("import", stack=IMPORTING), "Import pandas when the app starts"),
        (stalled("import", site=Site("a.b", "", 1, "from x.y import z")), "Import x.y when"),
        (stalled("gil_contention", gil_holders=(HOLDER,)), "Move what cruncher (shop.crunch)"),
        (stalled("gil_contention"), "Move what other threads compute"),
        (stalled("starved", throttled_seconds=0.6, run_queue_seconds=0.7), "CPU limit"),
        (stalled("starved", run_queue_seconds=0.7), "processes per core"),
        (stalled("starved", run_queue_seconds=0.0), "SIGSTOP"),
        (stalled("starved"), "SIGSTOP"),
        (stalled("many_callbacks", contributors=PARTS), "shop.part_0, shop.part_1, shop.part_2."),
        (stalled("many_callbacks"), "asyncio.Semaphore"),
        (stalled("unknown"), "Too little was seen"),
    ],
)
def test_advice_by_cause(stall: Stall, words: str) -> None:
    assert words in ADVISER.advise(stall)


def on_cpu(code: str, *, inside: str = "") -> str:
    """Return the advice for a call on the CPU, in C or in a function of that name."""
    here, deeper = Frame("shop.handler", "/app/shop.py", 7), Frame(inside, "/lib/x.py", 1)
    site = Site("shop.handler", "/app/shop.py", 7, code)
    return ADVISER.advise(stalled("cpu", site=site, stack=(here, deeper) if inside else (here,)))


@pytest.mark.parametrize(
    "code",
    [
        "out.write(upload.file.read())",
        "upload.file.read()",
        "rows.readlines()",
        "open(path, 'rb').read()",
    ],
)
def test_c_code_that_reads_or_writes_may_be_a_file_s_whose_bytes_a_thread_copies(code: str) -> None:
    assert "to_thread" in on_cpu(code)


@pytest.mark.parametrize("code", ["book.write_all()", "out.write(x).strip()", "spread(rows)"])
def test_other_calls_are_none_of_a_file(code: str) -> None:
    assert "file" not in on_cpu(code)


def test_what_reads_in_python_is_no_file() -> None:
    assert "its bytes are copied" not in on_cpu("book.write(rows)", inside="book.Book.write")


def test_whether_a_thread_helps_is_said_only_where_it_was_seen() -> None:
    seen = [ADVISER.advise(stalled("cpu"), Observation(released)) for released in (True, False)]
    assert "a thread does help" in seen[0]
    assert "A thread would not help" in seen[1]
    unseen = ADVISER.advise(stalled("cpu"))
    assert "does help" not in unseen
    assert "would not help" not in unseen
    assert "another process" in unseen
