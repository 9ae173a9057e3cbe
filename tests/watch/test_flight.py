"""What the flight recorder of a loop has: steps, where they came from, polls, requests, victims."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware, Watch
from loopwatch.core.recording import RecordedStep, Recording
from loopwatch.core.speedups import speedups
from loopwatch.loop.python_recorder import ENTRIES
from loopwatch.watch.flight import SPAN
from tests.asgi import Receive, Send, answer, visit
from tests.conftest import MakeWatch, block_for, run_on


@pytest.fixture
def make_watch(make_watch: MakeWatch) -> MakeWatch:
    """Makes watches that record, with or without the compiled part."""
    return partial(make_watch, flight_recorder=True)


@pytest.fixture(autouse=True)
def _compiled(request: pytest.FixtureRequest) -> None:
    if speedups is None and "uvloop" in request.node.name:
        pytest.skip("in Python, polls of uvloop under 1 ms and who schedules are not known")


def recorded(loop: str, watch: Watch, main: Callable[[], Any]) -> Recording:
    """Run a coroutine under a watch, and return its recording as it was at the end."""
    found: list[Recording] = []

    async def whole() -> None:
        watch.start()
        await asyncio.sleep(0)
        await main()
        await asyncio.sleep(0)
        found.extend(watch.recordings())

    run_on(loop, whole())
    [recording] = found
    return recording


def named(recording: Recording, name: str) -> list[RecordedStep]:
    return [step for step in recording.steps if step.name.endswith(name)]


def held() -> None:
    block_for(0.05)


def test_steps_and_polls_cover_all_of_the_time(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> None:
        for _ in range(5):
            held()
            await asyncio.sleep(0.01)

    found = recorded(loop, watch, main)
    spans = sorted([(s.started, s.ended) for s in found.steps] + [*map(tuple, found.polls)])
    assert spans[0][0] == found.since
    holes = [later[0] - one[1] for one, later in pairwise(spans)]
    assert all(-1e-9 <= hole < 1e-6 for hole in holes)
    assert spans[-1][1] == pytest.approx(found.until)
    assert sum(step.ended - step.started for step in found.steps) >= 0.25


def test_steps_add_up_to_the_busy_time(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()
    found: list[Any] = []

    async def main() -> None:
        watch.start()
        for _ in range(50):
            block_for(0.004)
            await asyncio.sleep(0.002)
        found.extend((watch.snapshot(recent=False).busy, *watch.recordings()))
        found.append(watch.snapshot(recent=False).busy)

    run_on(loop, main())
    before, recording, after = found
    busy = sum(step.ended - step.started for step in recording.steps)
    assert before * 0.99 <= busy <= after * 1.01


def test_a_callback_knows_the_step_that_scheduled_it(loop: str, make_watch: MakeWatch) -> None:
    def first() -> None:
        asyncio.get_running_loop().call_soon(second)

    def second() -> None:
        pass

    async def main() -> None:
        asyncio.get_running_loop().call_soon(first)
        await asyncio.sleep(0.01)

    found = recorded(loop, make_watch(), main)
    [one], [two] = named(found, "first"), named(found, "second")
    assert (two.wake, found.steps[two.by]) == ("soon", one)
    assert (one.wake, found.steps[one.by].kind) == ("soon", "task")
    assert two.kind == "callback"


def test_a_timer_knows_when_it_was_due_and_the_task_that_set_it(
    loop: str, make_watch: MakeWatch
) -> None:
    async def sleeper() -> None:
        await asyncio.sleep(0.02)

    async def main() -> None:
        await asyncio.create_task(sleeper())

    found = recorded(loop, make_watch(), main)
    [timer] = [s for s in found.steps if s.wake == "timer" and found.steps[s.by].name]
    before, after = named(found, "sleeper")
    assert before.started + 0.01 < timer.due <= timer.started + 0.005
    assert found.steps[timer.by] == before
    assert found.steps[after.by] == timer
    assert before.task == after.task != 0


def test_another_threads_callback_is_told_apart(loop: str, make_watch: MakeWatch) -> None:
    async def main() -> None:
        running, done = asyncio.get_running_loop(), asyncio.Event()

        def woken() -> None:
            done.set()

        def call() -> None:
            time.sleep(0.6)  # the loop waits in its poll by now
            running.call_soon_threadsafe(woken)

        threading.Thread(target=call).start()
        await done.wait()

    found = recorded(loop, make_watch(), main)
    [step] = named(found, "woken")
    if loop == "uvloop" and step.by >= 0:  # when its poll ended is known to some µs, or to a pause
        assert found.steps[step.by].kind == "gap"
    else:
        assert (step.wake, step.by) == ("thread", -1)


def test_requests_own_their_steps_and_have_their_four_parts(
    loop: str, make_watch: MakeWatch
) -> None:
    watch = make_watch()

    async def child() -> None:
        await asyncio.sleep(0.01)

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"] = "/shop/{id}"
        held()
        await asyncio.create_task(child())
        await answer(send)

    middleware = LoopWatchMiddleware(app, watch=watch)

    async def main() -> None:
        await asyncio.create_task(visit(middleware, "/shop/secret?token=1"))

    found = recorded(loop, watch, main)
    [request] = found.requests
    assert (request.method, request.route) == ("GET", "/shop/{id}")
    assert request.running >= 0.05
    assert request.waiting >= 0.005
    own = [step for step in found.steps if step.request == request.serial]
    assert {step.kind for step in own} >= {"request", "task"}
    assert sum(step.ended - step.started for step in own) >= request.running * 0.95
    assert "secret" not in repr(found)


def test_a_victim_is_known_with_its_culprit(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch(slow_callback_duration=0.1)

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"] = scope["path"]
        if scope["path"] == "/bad":
            await asyncio.sleep(0.05)
            block_for(0.5)
        else:
            await asyncio.sleep(0.1)
        await answer(send)

    middleware = LoopWatchMiddleware(app, watch=watch)

    async def main() -> None:
        await asyncio.gather(*(visit(middleware, path) for path in ("/bad", "/good", "/good")))

    found = recorded(loop, watch, main)
    [bad] = [r.serial for r in found.requests if r.route == "/bad"]
    waits = [wait for wait in found.waits if wait.ended - wait.started >= 0.5]
    assert {wait.request for wait in waits} == {
        r.serial for r in found.requests if r.route == "/good"
    }
    assert {wait.culprit for wait in waits} == {bad}


def test_a_request_in_flight_is_recorded_with_what_is_known_of_it(
    loop: str, make_watch: MakeWatch
) -> None:
    watch, found = make_watch(), list[Recording]()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.05)
        found.extend(watch.recordings())
        await answer(send)

    async def main() -> None:
        watch.start()
        await asyncio.create_task(visit(LoopWatchMiddleware(app, watch=watch)))

    run_on(loop, main())
    [request] = found[0].requests
    assert (request.ended, request.responded, request.latency) == (0.0, 0.0, 0.0)


def test_the_last_loop_stays_recorded_after_its_end(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()
    with watch:
        run_on(loop, asyncio.sleep(0.02))
        [found] = watch.recordings()
    assert found.loop == loop
    assert found.steps
    until = found.until
    time.sleep(0.01)
    assert watch.recordings()[0].until == until


def test_no_object_of_the_app_is_kept(loop: str, make_watch: MakeWatch) -> None:
    class Callback:
        def __call__(self) -> None:
            """Do nothing."""

    class Lines(list[int]):
        """A class of the app's, of which a method of C's is called."""

    kept: list[Any] = [weakref.ref(Callback), weakref.ref(Lines)]

    async def main() -> None:
        nonlocal Callback, Lines
        callback, lines = Callback(), Lines()
        kept.append(weakref.ref(callback))
        asyncio.get_running_loop().call_soon(callback)
        asyncio.get_running_loop().call_soon(lines.append, 1)
        del Callback, Lines
        task = asyncio.create_task(asyncio.sleep(0))
        kept.append(weakref.ref(task))
        await task

    found = recorded(loop, make_watch(), main)
    gc.collect()
    assert [reference() for reference in kept] == [None] * 4
    assert named(found, "Callback.__call__")
    assert named(found, "builtins.list.append")


def test_the_ring_keeps_the_latest_and_says_that_more_was_asked_for(
    loop: str, make_watch: MakeWatch
) -> None:
    watch, more = make_watch(), 1000

    async def main() -> None:
        [flight] = watch._flights()
        recorder, began = flight._recorder, time.perf_counter()
        for n in range(ENTRIES + more):
            recorder.add_step(began + n * 1e-8, began + (n + 1) * 1e-8, None)

    found = recorded(loop, watch, main)
    assert found.cut
    assert len([step for step in found.steps if step.kind == "callback"]) >= ENTRIES - 100
    assert found.since >= found.steps[0].started


def test_fewer_seconds_may_be_asked_for(loop: str, make_watch: MakeWatch) -> None:
    watch, found = make_watch(), list[Recording]()

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.3)
        found.extend(watch.recordings(0.1))
        found.extend(watch.recordings(3600.0))

    run_on(loop, main())
    assert found[0].until - found[0].since == pytest.approx(0.1)
    assert 0.29 <= found[1].until - found[1].since < SPAN
