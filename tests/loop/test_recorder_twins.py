"""The flight recorder in C and in Python: the same bytes, and the same steps of one program."""

import json
import struct
from contextvars import copy_context
from types import FunctionType, SimpleNamespace
from typing import Any

import pytest

from loopwatch.core.speedups import speedups
from loopwatch.loop import python_recorder
from loopwatch.loop.python_recorder import ENTRIES, IN_LINE, NAMES, OF_REQUEST, TIMED
from tests.conftest import run_script

PROGRAM = """
    import asyncio, functools, json, sys, threading, time
    if sys.argv[1] == "python":
        sys.modules["loopwatch._speedups"] = None
    from tests.conftest import private_watch
    from loopwatch.loop.step_timing import COMPILED
    assert COMPILED == (sys.argv[1] == "compiled")
    watch = private_watch(slow_callback_duration=10.0, flight_recorder=True)

    async def child(n):
        await asyncio.sleep(0)
        return n

    def plain():
        asyncio.get_running_loop().call_soon(later)

    def later():
        pass

    class Called:
        def __call__(self):
            pass

    class Lines(list):
        pass

    async def main():
        watch.start()
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        loop.call_soon(plain)
        loop.call_soon([].append, 1)
        loop.call_soon(Lines().append, 1)
        loop.call_soon(Called())
        loop.call_soon(functools.partial(int))
        timer = loop.call_later(60, plain)
        await asyncio.gather(child(1), child(2))
        timer.cancel()
        cancelled = loop.call_soon(plain)
        cancelled.cancel()
        await asyncio.sleep(0.02)
        [recording] = watch.recordings()
        steps = recording.steps
        print(json.dumps([
            [step.kind, step.wake, step.name, steps[step.by].name if step.by >= 0 else ""]
            for step in steps if step.kind != "gap"
        ]))

    asyncio.run(main())
"""


def test_both_record_the_same_steps_of_a_program() -> None:
    if speedups is None:
        pytest.skip("the compiled twin was not built")
    ran = {which: json.loads(run_script(PROGRAM, which)) for which in ("compiled", "python")}
    assert ran["compiled"] == ran["python"]
    names = [name for _, _, name, _ in ran["python"]]
    assert "builtins.list.append" in names
    assert ["callback", "soon", "<string>.later", "<string>.plain"] in ran["python"]


def test_an_entry_has_the_size_that_c_gives_it() -> None:
    assert IN_LINE.size == TIMED.size == 48
    assert OF_REQUEST.size == 64


def twins() -> list[Any]:
    return [python_recorder.Recorder(), *([speedups.Recorder()] if speedups is not None else [])]


@pytest.mark.parametrize("number", range(len(twins())))
def test_the_ring_has_the_latest_entries(number: int) -> None:
    recorder, more = twins()[number], 10
    for n in range(ENTRIES + more):
        recorder.add_step(float(n), n + 0.5, None)
    assert recorder.count == ENTRIES + more
    latest = [TIMED.unpack(recorder.entries(n, n + 1)) for n in (ENTRIES - 1, ENTRIES + more - 1)]
    assert [entry[0] for entry in latest] == [ENTRIES - 1, ENTRIES + more - 1]
    assert recorder.entries(0, 5) == b""
    across = recorder.entries(ENTRIES - 2, ENTRIES + 2)
    assert [e[0] for e in TIMED.iter_unpack(across)] == [ENTRIES + n for n in (-2, -1, 0, 1)]
    assert len(recorder.entries(0, ENTRIES * 2)) in (ENTRIES * 48, (ENTRIES - 1) * 48)
    assert recorder.ended(0, 100) == b""


def test_both_write_the_same_bytes() -> None:
    if speedups is None:
        pytest.skip("the compiled twin was not built")
    request = copy_context().run(speedups.begin, None, {})
    written = []
    for recorder in twins():
        for n in range(3):
            recorder.add_step(n + 0.125, n + 0.25, request if n else None)
        written.append(recorder.entries(0, 3))
    assert written[0] == written[1]
    assert struct.unpack_from("=I", written[0], 48 + 32)[0] == request.serial


def test_names_have_a_bound() -> None:
    recorder = python_recorder.Recorder()
    state = SimpleNamespace(turns=0)
    for n in range(NAMES + 5):
        callback = FunctionType((lambda: None).__code__.replace(co_name=f"f{n}"), {})
        recorder.step(state, callback, None, None, 0.0, 1.0)
    assert len(recorder.things) == NAMES - 1
    *_, last = TIMED.iter_unpack(recorder.entries(0, NAMES + 5))
    assert last[6] == NAMES - 1
