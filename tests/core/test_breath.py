"""Pauses in long work: only on a thread that has begun to, and not too often."""

import threading
from types import SimpleNamespace

import pytest

from loopwatch.core import breath as module
from loopwatch.core.breath import (
    LONG_WAIT,
    PAUSE,
    STRETCH,
    LongWaits,
    begin_to_pause,
    breathe,
    gave_way_since,
    give_way,
)


def test_only_a_thread_that_has_begun_to_pauses_and_not_too_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, slept = [100.0], list[float]()
    monkeypatch.setattr(module, "clock", lambda: now[0])
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=slept.append))

    def work() -> None:
        begin_to_pause()
        for _ in range(10):
            now[0] += STRETCH * 0.4
            breathe()

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert slept == [PAUSE] * 3
    now[0] += 1.0
    breathe()
    assert slept == [PAUSE] * 3


def test_a_thread_that_waited_long_for_the_lock_gives_it_back_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, slept = [100.0], list[float]()
    monkeypatch.setattr(module, "clock", lambda: now[0])
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=slept.append))
    monkeypatch.setattr(LongWaits, "last", 0.0)
    give_way(LONG_WAIT * 0.9)
    assert slept == []
    assert not gave_way_since(99.0)
    give_way(LONG_WAIT)
    assert slept == [PAUSE]
    assert gave_way_since(99.0)
    assert not gave_way_since(100.0)


def test_a_pause_that_ends_late_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += 0.2  # C code keeps the lock

    def work() -> None:
        begin_to_pause()
        now[0] += STRETCH
        breathe()

    monkeypatch.setattr(module, "clock", lambda: now[0])
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(LongWaits, "last", 0.0)
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert slept == [PAUSE] * 2
    assert LongWaits.last > 100.0
