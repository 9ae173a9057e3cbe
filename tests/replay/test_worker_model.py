"""How long work takes in threads, and what it costs the loop."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from loopwatch.replay.worker_model import WaitingWorkers, WorkingWorkers


def at(moment: float) -> Any:
    return pytest.approx(moment)


def test_threads_that_wait_take_their_time_each() -> None:
    workers = WaitingWorkers(2)
    assert [workers.submit(n, 1.0, 0.0) for n in range(4)] == [1.0, 1.0, 2.0, 2.0]


def test_a_thread_that_works_needs_only_its_time_while_the_loop_sleeps() -> None:
    workers = WorkingWorkers()
    assert workers.submit(7, 0.1, 0.0) == inf
    assert workers.idle_until(1.0, 2.0) == (at(1.1), [7])


def test_two_threads_that_work_share_the_time() -> None:
    workers = WorkingWorkers()
    workers.submit(1, 0.1, 0.0)
    workers.submit(2, 0.2, 0.0)
    assert workers.idle_until(0.0, 1.0) == (at(0.2), [1])
    assert workers.idle_until(0.2, 1.0) == (at(0.3), [2])


def test_the_loop_waits_an_interval_for_each_thread_that_works() -> None:
    workers = WorkingWorkers(interval=0.005)
    workers.submit(1, 0.1, 0.0)
    workers.submit(2, 0.002, 0.0)
    assert workers.take_turn(1.0) == (at(1.007), [2])


def test_a_long_step_of_the_loop_gives_the_gil_up_meanwhile() -> None:
    workers = WorkingWorkers(interval=0.005)
    workers.submit(1, 1.0, 0.0)
    assert workers.run(0.0, 0.012) == (at(0.022), [])


def test_work_beyond_the_pool_waits_for_a_thread() -> None:
    workers = WorkingWorkers(threads=1)
    workers.submit(1, 0.1, 0.0)
    workers.submit(2, 0.1, 0.0)
    assert workers.idle_until(0.0, 1.0) == (at(0.1), [1])
    assert workers.idle_until(0.1, 1.0) == (at(0.2), [2])
    assert workers.idle_until(0.2, 1.0) == (1.0, [])
