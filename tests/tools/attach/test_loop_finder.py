"""Threads with loops, found by their stacks and their calls."""

import json
from pathlib import Path

import pytest

from loopwatch.tools.attach.loop_finder import LoopFinder
from loopwatch.tools.attach.loop_stack import thread_stacks

from .fake_proc import IDLE, PARKED, RUNNING, STDLIB, FakeProc, busy, thread

PLAIN = [("main", "/app/main.py", 3), ("<module>", "/app/main.py", 9)]
UVLOOP = [("Runner.run", f"{STDLIB}/asyncio/runners.py", 118), *PLAIN]


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    made = FakeProc(tmp_path)
    made.process(100)
    return made


def found(proc: FakeProc, now: float = 0.0) -> list[tuple[int, str, bool, int]]:
    finder = LoopFinder(proc.tree, proc.py_spy)
    return [(f.thread, f.kind, f.poll.known, f.base) for f in finder.find(100, now)]


def test_an_idle_asyncio_loop_gives_its_poll_away(proc: FakeProc) -> None:
    proc.dump(thread(IDLE))
    assert found(proc) == [(100, "asyncio", True, 0)]


def test_a_busy_one_is_found_without(proc: FakeProc) -> None:
    proc.thread(100, 100, RUNNING)
    proc.dump(thread(busy(Path("/app/main.py"))))
    assert found(proc) == [(100, "asyncio", False, 0)]


def test_several_loops_in_several_threads(proc: FakeProc) -> None:
    for tid in (101, 102):
        proc.thread(100, tid, PARKED)
    proc.dump(thread(IDLE), thread(IDLE, 101), thread(PLAIN, 102))
    assert [tid for tid, *_ in found(proc)] == [100, 101]


def test_uvloop_is_told_by_its_library(proc: FakeProc) -> None:
    proc.dump(thread(UVLOOP))
    assert found(proc) == []
    (proc.root / "100/maps").write_text("7f r-xp /venv/uvloop/loop.cpython-313-x86_64.so\n")
    assert found(proc) == [(100, "uvloop", True, 0)]
    proc.dump(thread(PLAIN))  # no frame is the loop's, but it waits in an epoll
    assert found(proc) == [(100, "uvloop", True, 2)]
    proc.thread(100, 100, RUNNING)
    assert found(proc) == []


def test_a_process_is_looked_at_again_less_and_less_often(proc: FakeProc) -> None:
    finder = LoopFinder(proc.tree, proc.py_spy)
    proc.dump(thread(PLAIN))
    looks = []
    for tenth in range(400):
        proc.dump(thread(IDLE)) if tenth == 300 else None
        if [*finder.find(100, tenth / 10)]:
            looks.append(tenth / 10)
    assert looks
    assert 30.0 <= looks[0] <= 33.0


def test_a_complaint_of_py_spy_is_kept(proc: FakeProc) -> None:
    proc.fails("Permission Denied")
    finder = LoopFinder(proc.tree, proc.py_spy)
    assert [*finder.find(100, 0.0)] == []
    assert finder.complaints[100] == "Error: Permission Denied"


def test_torn_threads_are_left_out() -> None:
    torn = [{"frames": None}, {}, thread([]), thread(IDLE) | {"frames": [{"name": "x"}]}]
    assert [*thread_stacks(json.loads(json.dumps(torn)))] == []


def test_parked_is_the_selector_right_above_the_loop() -> None:
    nested = busy(Path("/app/main.py"), ("select", f"{STDLIB}/selectors.py", 468))
    stacks = [*thread_stacks([thread(IDLE), thread(nested), thread(UVLOOP)])]
    assert [stack.is_parked for stack in stacks] == [True, False, True]
