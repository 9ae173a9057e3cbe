"""The watchdog: one thread, and stack samples that show what they claim to show."""

import asyncio
import re
import time

import pytest

from loopwatch.watchdog import clocks
from tests.calm import in_calm
from tests.conftest import MakeWatch, run_on, run_script, spin_for
from tests.watchdog.counting import backtracking, handle_in, watchdogs


def test_there_is_one_thread_while_anything_is_watched(loop: str, make_watch: MakeWatch) -> None:
    """Two watches on two loops share it; it ends with the last, and never keeps a process."""
    first, second = make_watch(), make_watch()

    async def other() -> None:
        second.start()
        assert len(watchdogs()) == 1
        second.stop()

    async def main() -> None:
        assert watchdogs() == []
        first.start()
        (thread,) = watchdogs()
        assert thread.daemon
        await asyncio.to_thread(run_on, loop, other())
        assert watchdogs() == [thread]
        first.stop()
        assert watchdogs() == []

    run_on(loop, main())


def test_an_idle_loop_costs_next_to_nothing(loop: str, make_watch: MakeWatch) -> None:
    """Asleep when nothing is slow: half a percent of a CPU in a second after the start."""
    watch = make_watch()

    async def main() -> float:
        watch.start()
        await asyncio.sleep(1.5)
        before = watch.snapshot().self_seconds
        await asyncio.sleep(1.0)
        return watch.snapshot().self_seconds - before

    assert run_on(loop, main()) < 0.005


def two_places() -> None:
    spin_for(0.05)
    time.sleep(0.2)


@in_calm
def test_the_place_where_most_stack_sample_were_taken_is_named(
    loop: str, make_watch: MakeWatch
) -> None:
    watch = make_watch()
    run_on(loop, handle_in(two_places, watch))
    assert len(watch.stalls) == 1
    (stall,) = watch.stalls
    assert stall.site.function == f"{__name__}.two_places"
    assert stall.site.code == "time.sleep(0.2)"
    assert stall.site.exact
    functions = [frame.function for frame in stall.stack]
    assert functions[-1] == f"{__name__}.two_places"
    assert functions[-2].endswith("handle_in.<locals>.app")
    assert not any(name.startswith(("asyncio.", "threading.")) for name in functions)


def long_sleep() -> None:
    time.sleep(1.0)


def test_a_stall_that_outlasts_the_clock_readings_has_a_cause(
    loop: str, make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all of them they reach back 4 s: here they do for a part of a second."""
    monkeypatch.setattr(clocks, "READINGS", 4)
    watch = make_watch()
    run_on(loop, handle_in(long_sleep, watch))
    (stall,) = [stall for stall in watch.stalls if stall.duration >= 1.0]
    assert stall.cpu_seconds is not None
    assert stall.cpu_seconds < 0.5


@in_calm
def test_the_stack_is_the_step_s_only(loop: str, make_watch: MakeWatch) -> None:
    """What stands below the loop (a main function, pytest, a server) held nobody up."""
    watch = make_watch()
    run_on(loop, handle_in(two_places, watch))
    assert len(watch.stalls) == 1
    files = {frame.file for frame in watch.stalls[0].stack}
    assert not any("pytest" in file or file.endswith("runners.py") for file in files)


def native() -> None:
    """One C call that keeps the GIL for about half a second."""
    re.match(r"(a+)+$", "a" * LONG + "b")


LONG = 0


@in_calm
def test_c_code_that_keeps_the_gil_is_never_blamed_on_an_innocent_line(
    loop: str, make_watch: MakeWatch
) -> None:
    """The stack sample comes late: it names the right line, or says that it may not."""
    global LONG
    LONG = LONG or backtracking()
    watch = make_watch()
    run_on(loop, handle_in(native, watch))
    assert len(watch.stalls) == 1
    (stall,) = watch.stalls
    assert stall.route == "/held"
    assert stall.duration > 0.2
    if stall.site.exact:
        assert stall.site.code.startswith("re.match(")
    else:
        assert stall.site.function.startswith((f"{__name__}.", "_NONE"))


@in_calm
def test_a_stack_sample_of_the_parked_loop_is_no_culprit(loop: str, make_watch: MakeWatch) -> None:
    """A step that ended before the watchdog came has no stack, rather than the poll's."""
    watch = make_watch(slow_callback_duration=0.01)

    async def main() -> None:
        watch.start()
        for _ in range(40):
            await asyncio.sleep(0.005)
            spin_for(0.013)

    run_on(loop, main())
    assert watch.stalls
    for stall in watch.stalls:
        innermost = stall.stack[-1].function if stall.stack else ""
        assert "select" not in innermost
        assert "uvloop" not in innermost


@pytest.mark.parametrize("threshold", [0.03, 0.3])
@in_calm
def test_barely_slow_steps_have_their_picture(
    loop: str, threshold: float, make_watch: MakeWatch
) -> None:
    """The first stack sample is due before the threshold, whatever that is."""
    watch = make_watch(slow_callback_duration=threshold)

    def barely() -> None:
        time.sleep(threshold * 1.1)

    run_on(loop, handle_in(barely, watch))
    assert len(watch.stalls) == 1
    assert watch.stalls[0].site.code == "time.sleep(threshold * 1.1)"


IN_PYTHON = """
    import sys
    sys.modules["loopwatch._speedups"] = None
    import asyncio, threading, time
    from tests.conftest import private_watch, run_on

    watch = private_watch()

    def block():
        time.sleep(0.15)

    async def main():
        watch.start()
        await asyncio.sleep(0.5)
        block()
        await asyncio.sleep(0.2)
        watch.stop()
        assert not any("watchdog" in thread.name for thread in threading.enumerate())

    run_on(sys.argv[1], main())
    (stall,) = watch.stalls
    print(stall.cause, stall.site.function, stall.site.exact)
"""


@in_calm
def test_without_the_compiled_part_all_is_looked_at_each_period(loop: str) -> None:
    assert run_script(IN_PYTHON, loop).split() == ["blocking_call", "__main__.block", "True"]
