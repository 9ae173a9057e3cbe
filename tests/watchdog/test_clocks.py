"""Where a loop thread's time went between readings, made by hand; times in s."""

from collections.abc import Iterable
from typing import Any

import pytest

from loopwatch.core.evidence import Usage
from loopwatch.watchdog.clocks import Clocks
from loopwatch.watchdog.kernel import Schedule
from loopwatch.watchdog.process_reading import Glimpse, ProcessReading, Reading


class FakePulse:
    native_id = 0


class FakeProbe:
    state = FakePulse()


class FakeProcessReader:
    poll = 0.0

    def glimpse(self, state: Any) -> Glimpse:
        return Glimpse(self.poll)

    def overdue(self) -> ProcessReading:
        raise AssertionError("the readings reach far enough")

    def __init__(self, asleep: Reading | None = None) -> None:
        self.asleep = asleep

    def before(self, state: Any) -> Reading | None:
        return self.asleep


def reading(at: float, due: float | None = None, **values: Any) -> Reading:
    """Return a reading of a process that has done nothing so far, but for what is given."""
    cpu, process = values.get("cpu", 1.0), values.get("process", values.get("cpu", 1.0))
    schedule = Schedule(values.get("queued", 0.0), values.get("slices", 0))
    own = Schedule(values.get("own_queued", 0.0), values.get("own_slices", 0))
    meant = at if due is None else due
    reading = ProcessReading(
        meant, process, 0.0, own, values.get("throttled"), values.get("waited")
    )
    return Reading(at, reading, values.get("idle"), cpu, schedule)


def usage(
    readings: Iterable[Reading],
    started: float = 10.0,
    ended: float = 10.5,
    asleep: Reading | None = None,
) -> Usage:
    clocks: Any = Clocks(FakeProbe())  # type: ignore[arg-type]
    clocks._readings.extend(readings)
    clocks._reader = FakeProcessReader(asleep)
    found = clocks.usage(started, ended, None)
    assert found is not None
    return found  # type: ignore[no-any-return]


def test_cpu_time_is_what_lies_between_the_readings() -> None:
    assert usage([reading(10.0), reading(10.5, cpu=1.4)]).cpu == pytest.approx(0.4)


def test_an_idle_loop_used_no_cpu_before_the_step() -> None:
    """The loop was in its poll from 9.9 to 10.0, so all CPU time is the step's."""
    found = usage([reading(9.9, idle=3.0), reading(10.5, cpu=1.3, idle=3.1)])
    assert found.cpu == pytest.approx(0.3)


def test_a_busy_loop_before_the_step_takes_half_of_what_it_may_have_used() -> None:
    found = usage([reading(9.9, idle=3.0), reading(10.5, cpu=1.3, idle=3.0)])
    assert found.cpu == pytest.approx(0.25)


def test_no_part_is_longer_than_the_step() -> None:
    after = reading(10.6, cpu=9.0, process=9.0, queued=7.0, slices=5000, throttled=8.0)
    found = usage([reading(9.9, throttled=0.0), after])
    assert found.cpu == found.throttled == 0.5
    assert found.queued == found.gil_wait == 0.0  # a thread is on a CPU, or wants one
    found = usage([reading(9.9), reading(10.6, queued=7.0)])
    assert found.queued == 0.5


def test_a_queue_before_the_step_takes_half_of_what_may_have_been_there() -> None:
    """The loop was busy from 9.7 to 10.0: 0.3 s of the queue may have been then, or none."""
    found = usage([reading(9.7, idle=3.0), reading(10.5, queued=0.3, idle=3.0)])
    assert found.queued == pytest.approx(0.15)


def test_an_idle_loop_was_in_no_queue_before_the_step() -> None:
    found = usage([reading(9.7, idle=3.0), reading(10.5, queued=0.3, idle=3.3)])
    assert found.queued == pytest.approx(0.3)


def test_slices_bound_the_wait_for_the_gil() -> None:
    found = usage([reading(10.0), reading(10.5, process=1.45, slices=40)])
    assert found.gil_wait == pytest.approx(0.2)
    assert found.others == pytest.approx(0.45)


def test_a_watchdog_that_asked_for_the_gil_in_vain_says_for_how_long() -> None:
    late = reading(10.5, due=10.06, cpu=1.5, own_slices=88)
    found = usage([reading(9.95, idle=1.0), late])
    assert found.kept == pytest.approx(0.44)
    assert found.watched == pytest.approx(0.44)
    assert found.frozen == 0.0


def test_a_wait_for_the_gil_that_was_timed_is_certain() -> None:
    """However few slices: whoever waits for the GIL without a CPU is given none either."""
    late = reading(10.5, due=10.06, waited=0.44, cpu=1.5, own_slices=2)
    found = usage([reading(9.95, idle=1.0), late])
    assert found.kept == pytest.approx(0.44)
    assert found.watched == pytest.approx(0.44)
    assert found.frozen == 0.0


def test_a_watchdog_that_woke_late_watched_from_when_it_asked() -> None:
    """It was in the run queue before that."""
    late = reading(10.5, due=10.06, waited=0.2, cpu=1.5, own_slices=42, own_queued=0.24)
    found = usage([reading(9.95, idle=1.0), late])
    assert found.kept == found.watched == pytest.approx(0.2)
    assert found.frozen == 0.0


def test_a_watchdog_that_did_not_run_had_the_gil_at_once() -> None:
    late = reading(10.5, due=10.06, waited=0.001, own_slices=1)
    found = usage([reading(9.95), late])
    assert found.kept == 0.0
    assert found.frozen == pytest.approx(0.5, abs=0.01)


def test_what_others_did_before_the_step_is_left_out_if_the_sleep_has_seen_it() -> None:
    before = reading(7.0, process=1.0, idle=1.0)
    asleep = reading(10.0, process=3.0, idle=4.0)
    asleep = asleep._replace(reading=asleep.reading._replace(due=None))
    after = [reading(10.5, process=3.4, cpu=1.4, idle=4.0)]
    assert usage([before, *after]).others == pytest.approx(2.0)
    assert usage([before, asleep, *after]).others == pytest.approx(0.0)
    found = usage([before], 9.5, 10.0, asleep)  # it is taken wherever it is needed
    assert found.others == pytest.approx(2.0)


def test_a_watchdog_that_nothing_woke_was_not_running() -> None:
    """Nor, for all one can see, was anything since its wake before."""
    found = usage([reading(9.95), reading(10.5, due=10.06, own_slices=1)])
    assert found.frozen == pytest.approx(0.5, abs=0.01)
    assert found.kept == 0.0


def test_a_watchdog_without_a_cpu_says_nothing_of_the_loop() -> None:
    found = usage([reading(9.95), reading(10.5, due=10.06, own_slices=1, own_queued=0.44)])
    assert found.frozen == pytest.approx(0.0)


def test_two_readings_of_one_late_wake_count_once() -> None:
    wakes = [reading(9.95), reading(10.5, due=10.06, own_slices=88)]
    found = usage([*wakes, reading(10.51, due=10.06, own_slices=88)])
    assert found.kept == pytest.approx(0.44)
    assert found.frozen == 0.0


def test_a_wake_on_time_shows_that_the_gil_was_free() -> None:
    wakes = [reading(9.95), reading(10.06), reading(10.1), reading(10.5, due=10.25, own_slices=50)]
    found = usage(wakes)
    assert found.kept == pytest.approx(0.25)
    assert found.watched == pytest.approx(0.44)


def test_what_nobody_watched_is_not_told() -> None:
    clocks: Any = Clocks(FakeProbe())  # type: ignore[arg-type]
    assert clocks.usage(10.0, 10.5, None) is None
    clocks._reader = FakeProcessReader()
    clocks._readings.append(reading(10.6))
    assert clocks.usage(10.0, 10.5, None) is None


# ---------------------------------------------------------------- held back in the poll


def held_back(until: float, idle: float, **after: Any) -> float:
    """Return what the wake at 12.1 finds that was due at 10.1, of a loop that was idle so long."""
    clocks: Any = Clocks(FakeProbe())  # type: ignore[arg-type]
    late = reading(12.1, due=10.1, waited=0.0, idle=1.0 + idle, **after)
    clocks._readings.extend([reading(10.0, idle=1.0), late])
    found: float = clocks.held_back(until)
    return found


def test_a_process_that_was_stopped_held_the_loop_in_its_poll() -> None:
    """SIGSTOP from 10.1 to 12.1."""
    assert held_back(12.1, idle=2.1) == pytest.approx(2.0)


def test_a_step_that_has_begun_since_hides_nothing_of_it() -> None:
    """SIGSTOP from 10.1 to 12.0, then a step that is on the CPU."""
    found = held_back(12.0, idle=2.0, cpu=1.05)
    assert found == pytest.approx(1.85)


def test_a_reading_as_the_loop_returned_hides_nothing_of_it() -> None:
    clocks: Any = Clocks(FakeProbe())  # type: ignore[arg-type]
    late = reading(12.1, due=10.1, waited=0.0, idle=3.1)
    clocks._readings.extend([reading(10.0, idle=1.0), reading(12.1, idle=3.1), late])
    assert clocks.held_back(12.1) == pytest.approx(2.0)


def asked(poll: float, *readings: Reading) -> float:
    """Return for how long a loop was held until 12.1 in a poll that began at `poll`, while another
    thread was on the CPU; the watchdog asked for the GIL from 11.9 on."""
    clocks: Any = Clocks(FakeProbe())  # type: ignore[arg-type]
    clocks._reader = FakeProcessReader()
    clocks._reader.poll = poll
    clocks._readings.extend(readings)
    found: float = clocks.held_back(12.1)
    return found


def late(slices: int) -> Reading:
    return reading(12.1, 11.9, idle=3.1, waited=0.2, own_slices=40, process=1.2, slices=slices)


def test_a_loop_asked_for_the_gil_before_the_watchdog_did() -> None:
    """Its thread slept in the poll at 11.8, as a reading shows; then it asked 50 times."""
    found = asked(11.0, reading(11.8, idle=2.8), late(slices=50))
    assert found == pytest.approx(0.25)


def test_a_loop_asked_for_the_gil_no_longer_than_its_poll_lasted() -> None:
    """Its slices are those of other polls too, since the last reading before this one."""
    found = asked(11.86, reading(11.8, idle=2.8), late(slices=50))
    assert found == pytest.approx((0.25 - 0.06 + 0.24) / 2)


def test_a_reading_from_when_the_loop_asked_already_hides_nothing_of_it() -> None:
    within = reading(11.88, idle=2.88, slices=12)
    found = asked(11.82, reading(11.8, idle=2.8), within, late(slices=58))
    assert found == pytest.approx((0.29 - 0.02 + 0.28) / 2)


def test_a_loop_that_was_not_in_its_poll_was_not_held_there() -> None:
    """A step began at 10.12; it is what the watchdog waited for."""
    assert held_back(10.11, idle=0.11) == 0.0
    assert held_back(12.0, idle=0.5) == 0.0


class HeldProbe(FakeProbe):
    """A loop whose step in progress began at `since`, in a tick that began then, too."""

    def __init__(self, since: float) -> None:
        self.since = since

    def held(self, now: float) -> Any:
        return self

    def ticking(self, now: float) -> float:
        return now - self.since


@pytest.mark.parametrize("later", [0, 1, 3])
def test_a_step_that_outlasts_the_readings_is_known_from_its_beginning(later: int) -> None:
    probe: Any = HeldProbe(since=0.5)
    clocks: Any = Clocks(probe)
    clocks._reader = FakeProcessReader()
    for at in range(101 + later):
        probe.since = at - 0.5 if at <= 10 or at > 100 else 10.5  # short steps before and after it
        clocks._keep_first()
        clocks._readings.append(reading(float(at), cpu=1.0 + at / 2, idle=10.0))
    found = clocks.usage(10.5, 100.0, None)
    assert found.cpu == pytest.approx(44.75)  # from the reading at 10.0, half a second of it unsure
    assert clocks.usage(5.0, 6.0, None) is None  # a step that ended long ago
