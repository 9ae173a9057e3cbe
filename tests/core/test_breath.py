"""Pauses in long work: only on a thread that has begun to, and not too often."""

import threading
from types import SimpleNamespace

import pytest

from loopwatch.core import breath as module
from loopwatch.core.breath import PAUSE, STRETCH, begin_to_pause, breathe


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
