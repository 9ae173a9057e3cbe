"""What was worked out lately, so that it need not be worked out again: bounded, for any thread.

Code objects are the app's: one that the app drops must go, and the next one may get its address.
So `CodeMemo` knows them by address and a weak reference. A code object's own hash goes over all of
its instructions, and would cost more than most of what is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from types import CodeType
from typing import Generic, TypeVar, TypeVarTuple
from weakref import ref

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Given = TypeVarTuple("Given")


class Memo(Generic[Key, Value]):
    """At most `most` values by key; when half of them are new, the older half is forgotten."""

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        self._new: dict[Key, Value] = {}
        self._old: dict[Key, Value] = {}

    def get(self, key: Key) -> Value | None:
        value = self._new.get(key)
        if value is None and (value := self._old.get(key)) is not None:
            self.put(key, value)
        return value

    def put(self, key: Key, value: Value) -> None:
        if len(self._new) >= self._half:
            self._old, self._new = self._new, {}
        self._new[key] = value

    def __len__(self) -> int:
        return len(self._new) + len(self._old)


class CodeMemo(Generic[*Given, Value]):
    """What `make` returns for a code object and what else it is given, while the code lives; keeps
    none alive."""

    def __init__(self, make: Callable[[CodeType, *Given], Value], most: int) -> None:
        self._make = make
        self._memo: Memo[tuple[object, ...], tuple[ref[CodeType], Value]] = Memo(most)

    def __call__(self, code: CodeType, *given: *Given) -> Value:
        key = id(code), *given
        known = self._memo.get(key)
        if known is not None and known[0]() is code:
            return known[1]
        value = self._make(code, *given)
        self._memo.put(key, (ref(code), value))
        return value
