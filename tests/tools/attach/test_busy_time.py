"""Busy times, from readings at made-up times."""

import itertools

import pytest

from loopwatch.tools.attach.busy_time import BusyTime, BusyTimes
from loopwatch.tools.attach.poll_call import Call
from loopwatch.tools.attach.process_tree import Switches, Usage

IDLE, SLEEPS, RUNS = Call(232, "0x3"), Call(230, "0x1", "230 0x1"), Call(-1)
NO_USAGE = Usage(0.0, 0.0)


class Readings:
    """Reads every 5 ms."""

    def __init__(self) -> None:
        self.now, self.times, self.ended = 10.0, BusyTimes(10.0), list[BusyTime]()

    def read(
        self, call: Call, seconds: float, step: float = 0.005, voluntary: int = 0, cpu: float = 0.0
    ) -> None:
        """Read the same for some seconds; `cpu` is the thread's share of one."""
        for _ in range(round(seconds / step)):
            self.now += step
            found = [self.times.read(self.now, call, idle=call is IDLE)]
            usage = Usage(self.now * cpu, 0.0)
            found.append(self.times.describe(self.now, Switches(voluntary, False), usage))
            self.ended += [busy for busy in found if busy is not None]


@pytest.fixture
def readings() -> Readings:
    made = Readings()
    made.read(IDLE, 0.1)
    return made


def test_a_block_is_measured_to_half_a_period_on_each_side(readings: Readings) -> None:
    readings.read(SLEEPS, 0.3)
    assert readings.ended == []
    readings.read(IDLE, 0.1)
    [busy] = readings.ended
    assert busy.duration == pytest.approx(0.3, abs=0.001)
    assert busy.started == pytest.approx(10.1025, abs=0.001)
    assert (busy.readings, busy.same) == (60, 60)
    assert readings.times.current is None


def test_busy_and_idle_add_up(readings: Readings) -> None:
    readings.read(RUNS, 0.3)
    readings.read(IDLE, 0.2)
    assert readings.times.busy == pytest.approx(0.3)
    assert readings.times.idle == pytest.approx(0.3)


def test_the_cpu_time_is_that_of_the_block(readings: Readings) -> None:
    readings.read(RUNS, 0.3, cpu=1.0)
    readings.read(IDLE, 0.1, cpu=1.0)
    [busy] = readings.ended
    assert busy.usage.cpu == pytest.approx(0.3, abs=0.011)
    assert busy.same == 1


def test_a_late_reader_keeps_a_block_in_which_the_thread_never_slept(readings: Readings) -> None:
    readings.read(RUNS, 0.1, voluntary=5)
    readings.read(RUNS, 0.3, step=0.3, voluntary=5)
    readings.read(RUNS, 0.1, voluntary=5)
    readings.read(IDLE, 0.1)
    [busy] = readings.ended
    assert busy.duration == pytest.approx(0.5, abs=0.001)
    assert readings.times.late == 1


def test_a_late_reader_keeps_a_block_in_one_call(readings: Readings) -> None:
    readings.read(SLEEPS, 0.1, voluntary=5)
    readings.read(SLEEPS, 0.3, step=0.3, voluntary=5)
    readings.read(IDLE, 0.1)
    [busy] = readings.ended
    assert busy.duration == pytest.approx(0.4, abs=0.001)


def test_a_late_reader_does_not_join_two_short_steps(readings: Readings) -> None:
    readings.read(RUNS, 0.02, voluntary=5)
    readings.read(RUNS, 0.3, step=0.3, voluntary=9)  # it has slept: perhaps in the poll
    readings.read(RUNS, 0.02, voluntary=9)
    readings.read(IDLE, 0.1)
    assert [busy.duration < 0.06 for busy in readings.ended] == [True, True]


def test_a_late_reader_counts_only_what_is_certain(readings: Readings) -> None:
    readings.read(RUNS, 0.3, step=0.3)
    readings.read(IDLE, 0.3, step=0.3)
    [busy] = readings.ended
    assert busy.duration <= 0.031


def test_looks_are_due_after_60_ms_and_then_less_and_less_often(readings: Readings) -> None:
    wanted = []
    for _ in range(400):
        readings.read(RUNS, 0.005)
        if readings.times.wants_look(readings.now):
            wanted.append(readings.now - 10.1)
    assert len(wanted) == 8
    assert wanted[0] == pytest.approx(0.0625, abs=0.006)
    gaps = [later - sooner for sooner, later in itertools.pairwise(wanted)]
    assert gaps == sorted(gaps)


def test_a_short_busy_time_wants_no_look(readings: Readings) -> None:
    readings.read(RUNS, 0.05)
    assert not readings.times.wants_look(readings.now)
    readings.read(IDLE, 0.1)
    assert not readings.times.wants_look(readings.now)
