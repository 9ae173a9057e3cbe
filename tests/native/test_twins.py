"""The two twins, name by name: members and functions in C, and those in Python.

What only one of them has is listed here, each with the reason.
"""

import inspect
import json
import re
from functools import cache
from typing import Any, NamedTuple

import pytest

from tests.conftest import run_script
from tests.native.c_text import NATIVE, text

from .made import a_state, answered, speedups


class Pair(NamedTuple):
    """A type in C and its twin in Python."""

    file: str  # of the members in C
    struct: str
    python: str  # module:class
    alone_in_c: dict[str, str] = {}  # noqa: RUF012 - name: why
    alone_in_python: dict[str, str] = {}  # noqa: RUF012
    hidden: dict[str, str] = {}  # noqa: RUF012 - fields of the struct that Python cannot see


RING = "the ring of C is `recent`"
PAIRS = {
    "LoopStateNumbers": Pair(
        "loop_state.c",
        "LoopState",
        "loopwatch.loop.loop_state:LoopStateNumbers",
        alone_in_c={"asleep": "of the compiled sleep alone; for tests"},
        alone_in_python={
            "ask": "C looks at the poll at each step: it is cheap there",
            "soons": "C notes when each callback was scheduled: it is cheap there",
            "poll": "C has it as a field, which `position` reads",
        },
        hidden={
            "until": "when the poll ends by itself: for the compiled sleep",
            "idle_at_turn": "what `idle` was as a turn was last due; Python asks at each poll",
            "owner": "whose exchange was resumed: spares a look into the context",
            "ended": "the same, if it has ended",
            "poll": "libuv's, which `position` reads",
            "ticks": "`tick_counts` and `tick_sums`",
            "squares": "`tick_squares`",
            "notes": "`take_notes`; in Python every long step goes to the busy tick at once",
            "noted": "how many of them",
            "version": "for readers without the GIL",
            "served": "whether the request's own exchange was resumed: spares a look at the task",
            "asked": "in Python the watchdog takes samples of the loop's time as it gets the GIL",
            "asked_at": "the same",
            "samples": "`take_samples`",
        },
    ),
    "Request": Pair(
        "request.c",
        "Request",
        "loopwatch.core.request:Request",
        alone_in_python={"rare": "where Python has what few requests have"},
        hidden={
            "long_steps": "the length of `times`",
            "room": "for how many of them there is memory",
        },
    ),
    "RowNumbers": Pair(
        "request_row.c",
        "RequestRow",
        "loopwatch.ledger.request_row:RowNumbers",
        alone_in_python={
            "latest": RING,
            "add_latency": "C adds within add_to_row",
            "add_recent": "C adds within add_to_row",
        },
        hidden={"latency": "`counts` and `sums`", "room": RING},
    ),
    "StepNumbers": Pair(
        "step_row.c",
        "StepRow",
        "loopwatch.ledger.step_table:StepNumbers",
        hidden={"all": "`counts` and `sums`"},
    ),
    "LibuvPoll": Pair(
        "libuv_handles.c",
        "",
        "loopwatch.loop.python_libuv:LibuvPoll",
        alone_in_python={
            "read": "C reads it in `position`",
            "catch_up": "C is called back by libuv as a poll ends",
        },
    ),
    "Middleware": Pair(
        "middleware.c",
        "",
        "loopwatch.web.middleware:Front",
        alone_in_python={"serve": "abstract: the subclass has it for both"},
    ),
    "Scheduled": Pair("scheduled.c", "", "loopwatch.loop.python_scheduled:Scheduled"),
    "Recorder": Pair(
        "recorder.c",
        "",
        "loopwatch.loop.python_recorder:Recorder",
        alone_in_python={
            "place": "C does it inline, in recorder.h",
            "step": "C has record_step",
            "poll": "C has record_poll",
            "add_request": "C has record_request",
        },
    ),
    "Response": Pair("response.c", "", "loopwatch.loop.response:Answer"),
}
TYPES_ALONE = {"Watcher": "the compiled sleep: without it the watchdog waits for a lock"}
FUNCTIONS = {  # with a twin of the same name
    "add_request": "loopwatch.ledger.request_table",
    "add_to_known": "loopwatch.ledger.request_table",
    "answering": "loopwatch.loop.response",
    "begin": "loopwatch.core.request",
    "requests_begun": "loopwatch.core.request",
    "read_at_once": "loopwatch.watchdog.kernel",
    "rest": "loopwatch.core.rest",
    "want_no_turns": "loopwatch.core.gil_turns",
    "want_turns": "loopwatch.core.gil_turns",
    "timed_run": "loopwatch.loop.python_steps",
    "timed_select": "loopwatch.loop.python_steps",
    "timed_soon": "loopwatch.loop.python_scheduled",
}
FUNCTIONS_ALONE = {
    "clock": "time.perf_counter",
    "look_up": "what the watchdog cannot see otherwise, but by keeping references",
    "look_up_from": "the same",
    "stand": "the watchdog reads frames in Python otherwise",
    "running_context": "what the watchdog cannot see otherwise",
    "running_frame": "one thread's frame; otherwise the watchdog asks for those of all threads",
    "set_clock_step": "for counting instructions",
    "wire_ledger": "the wiring",
    "wire_middleware": "the wiring",
    "wire_request": "the wiring",
    "wire_steps": "the wiring",
}
KINDS = {"T_DOUBLE": "float", "T_PYSSIZET": "int", "T_BOOL": "bool", "T_ULONG": "int"}


def compiled(name: str) -> type:
    """Return a type of the compiled twin, also where the module does not show it."""
    if name == "Scheduled":
        return type(speedups.timed_soon(a_state(), lambda callback: callback, 0)(print))
    return type(answered()) if name == "Response" else getattr(speedups, name)


def public(names: Any) -> set[str]:
    return {name for name in names if not name.startswith("__")}


@cache
def pythons() -> dict[str, Any]:
    """Return the names and the annotations of the twins in Python: what a process without the
    compiled one has."""
    printed = run_script(
        """
        import json, sys
        sys.modules["loopwatch._speedups"] = None
        from importlib import import_module
        from inspect import get_annotations

        classes, functions = json.loads(sys.argv[1]), json.loads(sys.argv[2])
        found = {}
        for name, where in classes.items():
            module, _, kind = where.partition(":")
            kind = getattr(import_module(module), kind)
            types = dict(get_annotations(kind))
            for each, thing in vars(kind).items():
                if isinstance(thing, property) and each not in types:
                    types[each] = thing.fget.__annotations__["return"]
            found[name] = {"names": [*vars(kind), *types], "types": types}
        for name, module in functions.items():
            found[name] = getattr(import_module(module), name).__module__
        print(json.dumps(found))
        """,
        json.dumps({name: pair.python for name, pair in PAIRS.items()}),
        json.dumps(FUNCTIONS),
    )
    found: dict[str, Any] = json.loads(printed)
    return found


def members(file: str) -> list[tuple[str, str, str]]:
    """Return name, type and field of each member that a C file has in a table."""
    row = r'\{"(\w+)",\s*(T_\w+),\s*offsetof\(\w+,\s*([\w.]+)\)'
    return re.findall(row, text(file))


def fields(struct: str) -> set[str]:
    """Return the fields of a struct in native.h."""
    (body,) = re.findall(
        rf"typedef struct \{{((?:(?!typedef struct).)*?)\}} {struct};", text("native.h"), re.DOTALL
    )
    names = re.sub(r"\[[^]]*\]", "", body).replace(";", ",").split(",")
    return {name.split()[-1].lstrip("*") for name in names if name.strip()} - {"PyObject_HEAD"}


@pytest.mark.parametrize("name", PAIRS)
def test_both_twins_have_the_same_names(name: str) -> None:
    pair = PAIRS[name]
    in_c, in_python = public(vars(compiled(name))), public(pythons()[name]["names"])
    private = {each for each in in_python - in_c if each.startswith("_")}
    assert in_c - in_python == {*pair.alone_in_c}
    assert in_python - private - in_c == {*pair.alone_in_python}


@pytest.mark.parametrize("name", [name for name, pair in PAIRS.items() if pair.struct])
def test_members_are_the_fields_of_their_names_and_of_the_same_types(name: str) -> None:
    pair = PAIRS[name]
    shown = members(pair.file)
    assert [(member, field) for member, _, field in shown if member != field] == []
    types = pythons()[name]["types"]
    for member, kind, _ in shown:
        if member not in pair.alone_in_c:
            python = types[member]
            assert KINDS.get(kind, python) == python, member
            assert kind in KINDS or python not in KINDS.values(), member


@pytest.mark.parametrize("name", [name for name, pair in PAIRS.items() if pair.struct])
def test_every_field_in_c_is_a_member_or_hidden_for_a_reason(name: str) -> None:
    pair = PAIRS[name]
    shown = public(vars(compiled(name)))
    assert fields(pair.struct) - shown == {*pair.hidden}


def test_every_type_and_function_has_a_twin_or_none_for_a_reason() -> None:
    types = {name for name in public(vars(speedups)) if isinstance(getattr(speedups, name), type)}
    assert types - PAIRS.keys() == {*TYPES_ALONE}
    functions = {
        name for name in public(vars(speedups)) if inspect.isbuiltin(getattr(speedups, name))
    }
    assert functions == {*FUNCTIONS, *FUNCTIONS_ALONE}
    assert {name: pythons()[name] for name in FUNCTIONS} == FUNCTIONS


def test_files_that_the_c_files_name_exist() -> None:
    package = NATIVE.parent
    named = {
        name
        for path in NATIVE.glob("*.[ch]")
        for name in re.findall(r"\b[\w/]+\.(?:py|c|h)\b", path.read_text("utf-8"))
        if "/" in name and not name.startswith(("sys/", "internal/"))
    }
    places = (package, package.parent)
    assert [n for n in sorted(named) if not any((at / n).exists() for at in places)] == []
    assert len(named) > 10
