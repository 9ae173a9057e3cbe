"""The constants of the two twins, number by number, and what has to stand in one order in both.

What only C has is listed here, each with the reason.
"""

import ast
import inspect
import re

import pytest

from loopwatch.core import gil_turns, recent, request
from loopwatch.core import speedups as twin
from loopwatch.core.histogram import SECONDS_EDGES
from loopwatch.loop import libuv, python_recorder, step_timing
from loopwatch.loop import probe as loop_probe
from loopwatch.watchdog import clocks, kernel, other_threads, sampler, stack_sample
from tests.native.c_text import NATIVE, text

from .made import speedups

CONSTANTS = {  # in C, and what Python has for it
    "native.h ABI": twin.ABI,
    "native.h RECENT": recent.RECENT,
    "native.h PARTS": recent.PARTS,
    "native.h MANY": request.MANY,
    "recorder.h ENTRIES": python_recorder.ENTRIES,
    "recorder.h ENDED": python_recorder.ENDED,
    "recorder.h NAMES": python_recorder.NAMES,
    "native.h MOMENTS": loop_probe.MOMENTS,
    "native.h DEPTH": stack_sample.DEPTH,
    "gil_turns.c INTERVAL": gil_turns.INTERVAL,
    "rest.c LASTING": gil_turns.LASTING,
    "watcher.c SHORTEST": sampler.SHORTEST,
    "watcher.c STUCK": clocks.WAITED,
    "watcher.c QUIET": other_threads.QUIET,
}
AT_LEAST = {  # room in C for what Python gives
    "native.h EDGES": len(SECONDS_EDGES),
    "watcher.h FILES": kernel.GROUPS,
}
CONSTANTS_ALONE = {
    "native.h NOTES": "in Python every long step goes to the busy tick at once",
    "spares.h SPARES": "Python allocates",
    "recorder.h SLOTS": "Python has a dict",
    "timed_soon.c FEW": "Python's own calls",
    "look_up.c TEXT": "as there is no such function in Python",
    "libuv_handles.c LARGEST": "the handles of C",
    "libuv_poll.h PREFIX": "the handles of C",
    "libuv_poll.c YIELDS": "in Python the GIL is held throughout",
    "glance.c SETTLED": "the compiled sleep",
    "glance.c AT_ONCE": "the compiled sleep",
    "watcher.c OFTEN": "the compiled sleep",
    "watcher.c LULL": "the compiled sleep",
    "watcher.h UNKNOWN": "the compiled sleep",
    "watcher.h NEVER": "the compiled sleep",
    "kernel_file.c MOST": "one number in the twin",
    "watcher.h FOREVER": "the compiled sleep",
    "gil_turns.c NOT_DUE": "as infinity",
    "gil_turns.c WAITED": "Python asks at polls that do not wait",
    "gil_turns.c TURN": "in ns, and half of the one in Python: the kernel adds as much",
    "rest.c BRIEF": "in Python it waits for the GIL",
    "rest.c LONGEST_REST": "the same",
}

if speedups is None:
    pytest.skip("the compiled twin was not built", allow_module_level=True)


def constants() -> dict[str, float]:
    found = {}
    for path in sorted(NATIVE.glob("*.[ch]")):
        for name, value in re.findall(
            r"^#define (?!__)(\w+) +(-?[\d.]+(?:e\d+)?)\s*$", text(path.name), re.MULTILINE
        ):
            found[f"{path.name} {name}"] = float(value)
    return found


def test_every_constant_in_c_is_that_of_python_or_alone_for_a_reason() -> None:
    found = constants()
    assert {*found} == {*CONSTANTS, *AT_LEAST, *CONSTANTS_ALONE}
    assert {name: found[name] for name in CONSTANTS} == CONSTANTS
    assert all(found[name] >= least for name, least in AT_LEAST.items())
    assert speedups.ABI == twin.ABI


def test_the_functions_of_libuv_stand_in_one_order() -> None:
    (body,) = re.findall(r"enum \{(.*?)\}", text("libuv_poll.h"), re.DOTALL)
    *in_c, end = [each.strip() for each in body.split(",")]
    names = [re.sub("^uv_(metrics_idle)?(_time)?", "", name).upper() for name in libuv.FUNCTIONS]
    in_python = [name or "IDLE_TIME" for name in names]
    assert end == "FUNCTIONS"
    assert in_python == [*in_c, "METRICS_INFO"]  # that one is for Python alone


def test_the_ways_stand_in_one_order() -> None:
    (body,) = re.findall(r"\*\*slots\[\] = \{(.*?)\}", text("module.c"), re.DOTALL)
    in_c = re.findall(r"wired\.(\w+)", body)
    tree = ast.parse(inspect.getsource(step_timing))
    (call,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("wire_steps")
    )
    ways = call.args[-1]
    assert isinstance(ways, ast.Tuple)
    in_python = [ast.unparse(each).removeprefix("long_steps.") for each in ways.elts]
    assert [name.removeprefix("take_") for name in in_python] == in_c


def test_a_row_has_room_for_all_edges() -> None:
    row, steps, state = speedups.RowNumbers(), speedups.StepNumbers(), speedups.LoopStateNumbers()
    buckets = (row.counts, row.sums, steps.counts, steps.sums)
    ticks = (state.tick_counts, state.tick_sums, state.tick_squares)
    assert {len(each) for each in (*buckets, *ticks)} == {len(SECONDS_EDGES) + 1}
