"""What a frame may have been doing when the interpreter let the watchdog in.

C code that keeps the GIL is sampled when it is over: at the next instruction at which the
interpreter looks whether somebody else wants the GIL. That is right after a call of C code, on
entering a Python function and on a loop's way back; not after an operator, nor when a Python
function returns. So a late stack sample stands on the call that was slow, unless something before
it, since the last such look, was slow instead: an operator, or the end of a Python function called.

Specialised instructions (PEP 659) tell calls of C code from calls of Python. In 3.11 a call is two
instructions, `PRECALL` and `CALL`; calls of C code that are specialised look right after the first.
"""

from __future__ import annotations

import dis
from enum import Enum
from types import CodeType
from typing import NamedTuple

from loopwatch.core.evidence import Spot
from loopwatch.core.memo import CodeMemo

LINEAR = (
    "+",
    "-",
    "&",
    "|",
    "^",
    "<<",
    ">>",
    "/",
    "+=",
    "-=",
    "&=",
    "|=",
    "^=",
    "<<=",
    ">>=",
    "/=",
    "[]",  # since 3.14
)
CONSTANTS = ("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT")
POWERS = frozenset(("**", "**="))
OPERATORS = ("COMPARE_OP", "CONTAINS_OP", "FOR_ITER", "LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE")
QUICK = ("_INT", "_FLOAT", "_STR", "_DICT", "_SET", "_RANGE", "_LIST", "_TUPLE", "_GEN")
LOOKS = (
    *("CALL_BUILTIN", "CALL_METHOD_DESCRIPTOR", "CALL_NO_KW_BUILTIN", "CALL_NO_KW_METHOD"),
    *("CALL_NO_KW_STR_1", "CALL_NO_KW_TUPLE_1", "CALL_STR_1", "CALL_TUPLE_1"),
)
ENDINGS = (
    "SEND",
    "FOR_ITER_GEN",
    "BEFORE_WITH",
    "BEFORE_ASYNC_WITH",
)  # of Python code, like a call's
LISTINGS = 64  # of code objects, remembered, each way

QUIET = (  # instructions that run no Python code: a frame above one is a tracer's or a profiler's
    *("LOAD_FAST", "LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT", "LOAD_GLOBAL"),
    *("LOAD_DEREF", "PUSH_NULL", "NOP", "RETURN_VALUE", "RETURN_CONST"),
)


class Doubt(Enum):
    """What may have been slow in place of the call that a late stack sample stands on."""

    NOTHING = 0
    CALLEE = 1  # the end of a Python function called before it
    OPERATOR = 2  # an operator on another line
    ANYTHING = 3  # it stands on no call


class Instruction(NamedTuple):
    offset: int
    name: str  # specialised where it is
    argument: str
    line: int | None


def doubt(spot: Spot) -> Doubt:
    """Return what else than the call at `spot` may have kept the GIL."""
    instructions = listing(spot.code)
    at = next((n for n, i in enumerate(instructions) if i.offset == spot.instruction), None)
    if at is None or not is_call(instructions[at].name):
        return Doubt.ANYTHING
    line, found = instructions[at].line, Doubt.NOTHING
    for n in range(before_call(instructions, at), -1, -1):
        name = instructions[n].name
        if looks(instructions[n]):
            break
        if name.startswith("CALL") and looks(instructions[n - 1]):  # 3.11 calls C code in two
            break
        if is_call(name) or name.startswith(ENDINGS):
            found = Doubt.CALLEE
        elif instructions[n].line != line and may_be_slow(*instructions[max(0, n - 2) : n + 1]):
            return Doubt.OPERATOR
    return found


def before_call(instructions: tuple[Instruction, ...], at: int) -> int:
    """Return the instruction before a call; 3.11 makes a call in two."""
    return at - 2 if instructions[at - 1].name.startswith("PRECALL") else at - 1


def name_at(spot: Spot) -> str:
    """Return the name of the instruction that a frame is at; "" if there is none."""
    return next((i.name for i in compiled(spot.code) if i.offset == spot.instruction), "")


def stands_on_call(spot: Spot) -> bool:
    """Return whether a frame is at a call."""
    return is_call(name_at(spot))


def at_entry(spot: Spot) -> bool:
    """Return whether a function has just been entered: what was slow came before the call."""
    return name_at(spot).startswith("RESUME")


def only_traced(spot: Spot) -> bool:
    """Return whether what a frame runs can only be a tracer's or a profiler's function, which is
    told of a line or of a return: the interpreter looks there, after whatever was slow before."""
    return name_at(spot).startswith(QUIET)


def may_be_slow(*instructions: Instruction) -> bool:
    """Return whether the last of these may keep the GIL for long on values that fit into memory.

    Adding, slicing and copying are left out: they take as long as memory takes. So are products
    and remainders with a constant, and operators specialised for small values.
    """
    *before, last = instructions
    if not last.name.startswith("BINARY_OP"):
        return last.name.startswith(OPERATORS) and not last.name.endswith(QUICK)
    constant = any(name in i.name for i in before for name in CONSTANTS)
    return last.argument in POWERS or not (last.argument in LINEAR or constant)


def looks(instruction: Instruction) -> bool:
    """Return whether the interpreter looks if somebody else wants the GIL there, for certain.

    What resumes an `await` (`RESUME` 2 and 3) is passed over where nothing was suspended.
    """
    name = instruction.name.removeprefix("PRE")
    if name.startswith("RESUME"):
        return instruction.argument not in ("2", "3")
    return name.startswith(LOOKS) or (name.startswith("JUMP_BACKWARD") and "NO_INT" not in name)


def is_call(name: str) -> bool:
    return name.startswith(("CALL", "PRECALL")) and not name.startswith("CALL_INTRINSIC")


def listing(code: CodeType) -> tuple[Instruction, ...]:
    """Return the instructions of a code object, as they are specialised now.

    While its lines are watched `dis` may meet an instruction half changed, and take its argument
    for another's; then they are listed as they were compiled.
    """
    return listed(code, getattr(code, "_co_code_adaptive", b""))


def list_instructions(code: CodeType, adaptive: bytes) -> tuple[Instruction, ...]:
    """Return the listing of a code object whose instructions are `adaptive` now: they change."""
    try:
        return instructions(code, adaptive=True)
    except (IndexError, KeyError, ValueError):
        return instructions(code, adaptive=False)


def compiled(code: CodeType) -> tuple[Instruction, ...]:
    """Return the listing of a code object as it was compiled; a tool may hide instructions."""
    return listed_as_compiled(code, False)


def instructions(code: CodeType, adaptive: bool) -> tuple[Instruction, ...]:
    return tuple(
        Instruction(
            i.offset, i.opname, i.argrepr or str(i.arg), i.positions.lineno if i.positions else None
        )
        for i in dis.get_instructions(code, adaptive=adaptive)
        if i.opname != "CACHE"
    )


listed = CodeMemo(list_instructions, LISTINGS)
listed_as_compiled = CodeMemo(instructions, LISTINGS)
