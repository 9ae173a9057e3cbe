"""What bytecode says of locks: what the instruction being run waits for, and what a frame holds.

A path is how a lock is written, `("self", "_lock")` for `self._lock`: a variable, then attributes.
What is written otherwise (`locks[key]`, `get_lock()`) has none. The columns of instructions tell
(PEP 657): all those of one call begin where the call begins, its arguments do not.
"""

from __future__ import annotations

import dis
from types import CodeType
from typing import Any, NamedTuple

from loopwatch.core.memo import CodeMemo

Path = tuple[str, ...]

CODES = 256  # functions whose bytecode is remembered, of each kind
VARIABLES = (
    *("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_GLOBAL", "LOAD_NAME"),
    *("LOAD_DEREF", "LOAD_CLASSDEREF"),
)
ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
OTHERWISE = ("BINARY_SUBSCR", "BINARY_OP")  # in an expression: no path
BETWEEN = ("CACHE", "NOP", "EXTENDED_ARG", "COPY")
METHODS = ("acquire", "__enter__")
ENTERS = ("BEFORE_WITH", "LOAD_SPECIAL")  # a with block


class Held(NamedTuple):
    """A lock that code holds between two instructions (offsets): from the first to before the last.

    `sure`: in a with block. Otherwise it was acquired before, and not released in between.
    """

    path: Path
    first: int
    end: int
    sure: bool


def find_awaited_lock(code: CodeType, instruction: int) -> Path | None:
    """Return the lock for which a frame at this instruction waits: `x.acquire(...)`, `with x:`."""
    run = list(dis.get_instructions(code))
    index = next((n for n, each in enumerate(run) if each.offset == instruction), None)
    if index is None:
        return None
    if run[index].opname in ENTERS:
        return path_before(run, index)
    if not run[index].opname.startswith("CALL"):
        return None
    if run[index - 1].opname in ENTERS:  # two of them, then the call of the second (3.14)
        return path_before(run, max(n for n in range(index - 1) if run[n].opname in ENTERS))
    path = path_to(run, run[index])
    return path[:-1] if path is not None and path[-1] in METHODS and path[1:] else None


def starts(instruction: dis.Instruction) -> tuple[int | None, int | None]:
    positions = instruction.positions
    return (positions.lineno, positions.col_offset) if positions is not None else (None, None)


def path_before(run: list[dis.Instruction], index: int) -> Path | None:
    """Return the expression of a with block, which ends before `index`, if that is a path."""
    path: tuple[str, ...] = ()
    for each in reversed(run[:index]):
        if each.opname in ATTRIBUTES:
            path = (str(each.argval), *path)
        elif each.opname in VARIABLES:
            return (str(each.argval), *path)
        elif each.opname not in BETWEEN:
            return None
    return None


def path_to(run: list[dis.Instruction], call: dis.Instruction) -> Path | None:
    """Return what is called, if that is a path."""
    if starts(call)[1] is None:
        return None
    path: list[str] = []
    for each in run:
        if each.offset >= call.offset:
            break
        if starts(each) != starts(call):
            continue
        if each.opname in VARIABLES:
            path = [str(each.argval)]
        elif each.opname in ATTRIBUTES and path:
            path.append(str(each.argval))
        elif each.opname in OTHERWISE or each.opname.startswith("CALL"):
            return None
    return tuple(path) or None


def find_held_locks(code: CodeType) -> tuple[Held, ...]:
    """Return which locks a function holds where, as far as its bytecode tells."""
    if not may_lock(code):
        return ()
    run = list(dis.get_instructions(code))
    blocks = [
        held for n, at in enumerate(run) if at.opname in ENTERS for held in in_block(code, run, n)
    ]
    calls = [
        (at.offset, path)
        for at in run
        if at.opname.startswith("CALL") and (path := path_to(run, at)) is not None
    ]
    acquired = [(offset, path[:-1]) for offset, path in calls if path[1:] and path[-1] == "acquire"]
    for offset, path in acquired:
        ends = [o for o, p in calls if o > offset and p == (*path, "release")]
        blocks.append(Held(path, offset + 2, min(ends, default=len(code.co_code)), sure=False))
    return tuple(blocks)


def may_lock(code: CodeType) -> bool:
    """Return whether it is worth while to look at a function's bytecode."""
    return "acquire" in code.co_names or not CONTEXTS.isdisjoint(code.co_code[::2])


CONTEXTS = {dis.opmap[name] for name in ENTERS if name in dis.opmap}


def in_block(code: CodeType, run: list[dis.Instruction], index: int) -> list[Held]:
    """Return the stretches of a with block: those whose exceptions go to its `__exit__`."""
    path, began = path_before(run, index), run[index].offset
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
    later = [entry for entry in entries if entry.start > began]
    if path is None or not later:
        return []
    handler = min(later, key=lambda entry: entry.start).target
    return [Held(path, e.start, e.end, sure=True) for e in within(later, handler)]


def within(entries: list[Any], handler: int) -> list[Any]:
    """Return the entries of a table of exceptions that lead to a handler, through inner ones too:
    an `await` has one of its own."""
    inside = [entry for entry in entries if entry.target == handler]
    for outer in inside:
        inner = (e for e in entries if outer.start <= e.target < outer.end)
        inside.extend(entry for entry in inner if entry not in inside)
    return inside


awaited_lock = CodeMemo(find_awaited_lock, CODES)
held_locks = CodeMemo(find_held_locks, CODES)
