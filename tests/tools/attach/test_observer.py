"""The observer over a made-up `/proc`: from readings to a snapshot."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loopwatch.tools.attach.observer import Observer
from loopwatch.tools.cli.readings import reading

from .fake_proc import IDLE, PARKED, SLEEPING, FakeProc, busy, thread


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "views.py"
    path.write_text("import time\n\nasync def handler():\n    time.sleep(0.3)\n")
    return path


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    made = FakeProc(tmp_path)
    made.process(100)
    made.process(200, parent=100)
    made.dump(thread(IDLE), thread(IDLE, 200))
    return made


def test_a_block_is_counted_and_a_process_that_ends_is_left(proc: FakeProc, app: Path) -> None:
    observer = Observer(100, proc.py_spy, 0.1, proc.tree)
    observer.start()
    try:
        assert observer.processes == (100, 200)
        assert observer.readable
        proc.process(300, parent=100)
        proc.dump(thread(IDLE), thread(IDLE, 200), thread(IDLE, 300))
        until(lambda: observer.processes == (100, 200, 300))
        proc.dump(thread(busy(app)), thread(IDLE, 200))
        proc.call(100, 100, SLEEPING)
        until(lambda: bool(observer.snapshot().in_progress))
        [holding] = observer.snapshot().in_progress
        assert holding.in_progress
        proc.call(100, 100, PARKED)
        until(lambda: observer.snapshot().stall_count == 1)
        before = observer.snapshot()
        shutil.rmtree(proc.root / "200")
        (proc.root / "100/task/100/syscall").write_text("")  # as of a thread that has ended
        until(lambda: observer.processes == (200, 300))
    finally:
        observer.stop()
    [stall] = before.stalls
    assert (stall.site.function, stall.site.line) == ("views.handler", 4)
    assert stall.cause == "blocking_call"
    assert stall.thread == "100/100 MainThread"
    assert stall.duration >= 1.0
    assert [loop.loop for loop in before.loops] == ["asyncio"] * 3
    assert observer.snapshot().idle >= before.idle > 0
    shown = reading(before.to_dict())
    assert shown.uptime > 1.0
    assert [culprit.site for culprit in shown.culprits] == ["views.handler"]
