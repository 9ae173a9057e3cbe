"""What made each step of a recording ready: a step, a poll, a timer, a connection's set-up."""

from __future__ import annotations

from loopwatch.replay.parted_gaps import parted
from loopwatch.replay.ready_times import settled
from loopwatch.replay.wake_ups import wake_ups
from tests.replay.recorded import made, request, step


def test_a_step_follows_the_one_that_scheduled_it() -> None:
    found = wake_ups(
        made([step(1.0, 1.1, wake="io"), step(1.1, 1.2, "task", by=0, task=5)], [(0.5, 1.0)])
    )
    assert found.of[1] == (0, True, 0.0, 0.0)


def test_a_request_keeps_the_moment_at_which_it_arrived() -> None:
    found = wake_ups(
        made(
            [step(1.0, 1.1, wake="io"), step(1.1, 1.2, "request", request=1, by=0)],
            [(0.0, 0.2), (1.0, 1.0)],
            (request(1, 0.7, 1.1, 1.2),),
        )
    )
    assert found.of[0] == (-1, False, 0.7, 0.7)


def test_an_answer_ends_the_wait_of_the_task_that_it_wakes() -> None:
    """The loop slept in its poll, so the moment is known."""
    found = wake_ups(
        made(
            [
                step(1.0, 1.1, "task", wake="", task=5),
                step(1.5, 1.6, wake="io"),
                step(1.6, 1.7, "task", by=1, task=5),
            ],
            [(0.5, 1.0), (1.1, 1.5)],
        )
    )
    parent, soon, least, most = found.of[1]
    assert (parent, soon) == (0, False)
    assert abs(least - 0.4) < 1e-9
    assert abs(most - 0.4) < 1e-9


def test_an_answer_while_the_loop_was_held_has_bounds() -> None:
    """It came at some moment of the held tick, between two polls that did not wait."""
    steps = [
        step(1.0, 1.1, "task", wake="", task=5),
        step(1.1, 1.9, wake="io"),
        step(1.9, 2.0, wake="io"),
        step(2.0, 2.1, "task", by=2, task=5),
    ]
    recording = made(steps, [(0.5, 1.0), (1.1, 1.1), (1.9, 1.9)])
    found = wake_ups(recording)
    parent, _, least, most = found.of[2]
    assert parent == 0
    assert abs(least) < 1e-9
    assert abs(most - 0.8) < 1e-9
    assert abs(settled(recording, found)[2] - 0.4) < 1e-9


def test_a_wait_with_bounds_takes_one_that_is_known_within_them() -> None:
    """Two waits of one task: the first one ends while the loop sleeps, the other one in a stall."""
    steps = [
        step(1.0, 1.1, "task", wake="", task=5),
        step(1.2, 1.3, wake="io"),
        step(1.3, 1.4, "task", by=1, task=5),
        step(1.4, 2.4, wake="io"),
        step(2.4, 2.5, wake="io"),
        step(2.5, 2.6, "task", by=4, task=5),
    ]
    recording = made(steps, [(0.5, 1.0), (1.1, 1.2), (1.4, 1.4), (2.4, 2.4)])
    assert abs(settled(recording, wake_ups(recording))[4] - 0.1) < 1e-9


def test_a_threads_result_is_not_of_the_step_that_ran_meanwhile() -> None:
    """A worker thread put it in line while another request held the loop."""
    result = step(2.0, 2.1, by=1)._replace(made=1.5, name="asyncio.WorkerThread._report_result")
    steps = [
        step(1.0, 1.1, "request", wake="", request=1),
        step(1.1, 2.0, "request", wake="io", request=2),
        result,
        step(2.1, 2.2, "request", request=1, by=2),
    ]
    parent, soon, least, most = wake_ups(made(steps, [(0.5, 1.0), (1.1, 1.1), (2.0, 2.0)])).of[2]
    assert (parent, soon) == (0, False)
    assert abs(least - 0.4) < 1e-9
    assert abs(most - 0.4) < 1e-9


def test_a_timer_is_due_when_it_is_due() -> None:
    found = wake_ups(
        made(
            [
                step(1.0, 1.1, "task", wake="", task=5),
                step(1.1, 2.1, wake="io"),
                step(2.1, 2.2, wake="timer", due=1.3, by=0),
            ],
            [(0.5, 1.0), (1.1, 1.1), (2.1, 2.1)],
        )
    )
    parent, soon, least, most = found.of[2]
    assert (parent, soon) == (0, False)
    assert abs(least - 0.2) < 1e-9
    assert abs(most - 0.2) < 1e-9


def test_a_request_on_a_new_connection_waits_for_its_set_up() -> None:
    """It had arrived when the connection was accepted; it is read in the poll after the set-up."""
    steps = [
        step(1.0, 2.0, wake="io"),  # holds the loop
        step(2.0, 2.1, wake="io"),  # accepts
        step(2.1, 2.2, "task", by=1, task=9),
        step(2.2, 2.3, by=2),  # begins to read
        step(2.3, 2.4, wake="io"),  # reads
        step(2.4, 2.5, "request", request=1, by=4),
    ]
    polls = [(0.5, 1.0), (2.0, 2.0), (2.1, 2.1), (2.2, 2.2), (2.3, 2.3)]
    found = wake_ups(made(steps, polls, (request(1, 1.5, 2.4, 2.5),)))
    assert found.of[4] == (3, False, 0.0, 0.0)
    assert found.of[1] == (-1, False, 1.5, 1.5)


def test_a_gap_is_parted_for_each_that_it_has_put_in_line() -> None:
    steps = [
        step(1.0, 1.4, "gap", wake="io"),
        step(1.4, 1.5, "request", request=1, by=0),
        step(1.5, 1.6, "request", request=2, by=0),
    ]
    told = parted(made(steps, [(0.5, 1.0)], loop="uvloop")).steps
    assert [(round(s.started, 3), round(s.ended, 3)) for s in told[:2]] == [(1.0, 1.2), (1.2, 1.4)]
    assert [s.by for s in told] == [-1, -1, 0, 1]


def test_nothing_recorded_has_no_wake_ups() -> None:
    assert wake_ups(made([], [])).of == []
