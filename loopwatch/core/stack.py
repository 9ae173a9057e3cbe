"""A thread's stack as it was seen; what follows from it alone is worked out once.

Theory: an app stalls in few places, many times. Of a stall at a known place only the numbers are
new. Stacks are equal if the code, the instruction, the line and the module of each frame are the
same, and equal stacks share what was worked out. Code objects are the app's, and none is kept
alive: a stack is known by their addresses, and is no more once one of them is gone, before another
code object can get its address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property, partial
from types import CodeType
from typing import Any, TypeVar, TypeVarTuple
from weakref import ref

from loopwatch.core.evidence import Spot
from loopwatch.core.memo import Memo

STACKS = 1024  # remembered
FINDINGS = 64  # of one stack

Spots = tuple[Spot, ...]  # innermost first
Given = TypeVarTuple("Given")
Value = TypeVar("Value")


def above(spots: Spots, floor: Iterable[CodeType]) -> Spots:
    """Return the frames above the code in `floor`; all of them if none of it is among them."""
    ends = {id(code) for code in floor}
    end = next((n for n, spot in enumerate(spots) if id(spot.code) in ends), len(spots))
    return spots[:end]


class Findings(dict[Any, Any]):
    """What was found out about a stack: by function, and what that was given."""

    __slots__ = ("__weakref__", "codes", "gone")

    def __init__(self, spots: Spots) -> None:
        super().__init__()
        self.gone = False
        forget = partial(mark_gone, ref(self))
        self.codes = [ref(spot.code, forget) for spot in spots]


class Stack(Spots):
    """A stack that shares findings with its equals."""

    @cached_property
    def findings(self) -> Findings:
        codes, *rest = zip(*self, strict=True) if self else ((),)
        key = tuple(map(id, codes)), *rest
        found = KNOWN.get(key)
        if found is None or found.gone:
            found = Findings(self)
            KNOWN.put(key, found)
        return found


KNOWN: Memo[tuple[object, ...], Findings] = Memo(STACKS)


def mark_gone(findings: ref[Findings], _: ref[CodeType]) -> None:
    """A code object is about to go: what was known of its address holds no more. On any thread."""
    if (known := findings()) is not None:
        known.gone = True


def of_stack(
    find: Callable[[Spots, *Given], Value],
) -> Callable[[Spots, *Given], Value]:
    """Have a function find out once what follows from a stack, and from what else it is given.

    Its value must be immutable, and hold no code: the place of a frame, instead of the frame.
    """

    def once(spots: Spots, *given: *Given) -> Value:
        if not isinstance(spots, Stack):
            return find(spots, *given)
        findings, key = spots.findings, (find, *given)
        if key in findings:
            known: Value = findings[key]
            return known
        value = find(spots, *given)
        if len(findings) < FINDINGS:
            findings[key] = value
        return value

    return once
