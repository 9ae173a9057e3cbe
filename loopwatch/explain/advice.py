"""Advice: what to use instead of the very call that held the loop; failing that, by its cause.

A call is known by three kinds of names. As it is written at the site, looked up among the names of
the site's module (so an alias or a global object is seen through; no locals, which are not kept).
By the frames inside it, down to the innermost: they tell a library from whatever object it was
called on. And by how the name ends (`.execute`), where a C function has neither.
"""

from __future__ import annotations

import builtins
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from loopwatch.core.record_types import Site, Stall
from loopwatch.explain.circumstance import by_cause
from loopwatch.explain.known_stacks import KnownStack
from loopwatch.explain.remedies import REMEDIES, WAITS, WORKS, Remedy
from loopwatch.explain.site import module_globals

CALL_CAUSES = frozenset((*WAITS, *WORKS))  # else the call is innocent

STRING = re.compile(r"""(?:\b[rbufRBUF]{1,2})?(\"{3}|'{3}|"|')(?:\\.|(?!\1).)*\1""")
BRACKETS = re.compile(r"(\([^()\[\]{}]*\))|\[[^()\[\]{}]*\]|\{[^()\[\]{}]*\}")
CALLED, INDEXED = "\1", "\2"
CHAIN = re.compile(rf"[\w.{CALLED}{INDEXED}]+{CALLED}")
LEADING = re.compile(r"[\w.]+(?=\()")
OPEN = re.compile(r"[(\[{\"']")
RESULT = re.compile(r"(?:return|[\w.]+(?:, [\w.]+)* =) ")  # a whole line, when its call is over
WITH = re.compile(r"(?:async )?with ([\w.]+)(?: as \w+)?:")
MISSING = object()


class Adviser:
    """Gives advice by a table; `extra`, call to sentence, comes before what is known."""

    def __init__(self, extra: Mapping[str, str] | None = None) -> None:
        own = (Remedy(advice, (call,)) for call, advice in (extra or {}).items())
        self._remedies = (*own, *REMEDIES)
        self._by_name: defaultdict[str, list[int]] = defaultdict(list)
        self._by_ending: list[tuple[str, int]] = []
        for row, remedy in enumerate(self._remedies):
            for call in remedy.calls:
                if call.startswith("*"):
                    self._by_ending.append((call[1:], row))
                else:
                    self._by_name[call].append(row)

    def advise(
        self, stall: Stall, gil_released: bool = False, stack: KnownStack | None = None
    ) -> str:
        """Return a sentence or two, nothing if there is nothing to say.

        `gil_released` tells that what was on the CPU was C code without the GIL; `stack`
        remembers the remedy.
        """
        remedy = self._remedy(stall) if stall.cause in CALL_CAUSES else None
        if remedy is None:
            return by_cause(stall, gil_released)
        if stack is not None:
            stack.remember(stall.cause, stall.site, remedy.advice)
        return remedy.advice

    def _remedy(self, stall: Stall) -> Remedy | None:
        names = module_globals(module_of(stall.site))
        rows = (self._remedies[row] for row in sorted(self._rows(stall, names)))
        return next((r for r in rows if fits(r, stall.cause, names)), None)

    def _rows(self, stall: Stall, names: Mapping[str, Any]) -> set[int]:
        """Return the rows with a name of the call."""
        written = [path for text in called(stall.site.code) for path in resolved(text, names)]
        rows = {row for path in written for end, row in self._by_ending if path.endswith(end)}
        for path in (*written, *inside(stall)):
            for length in range(path.count(".") + 1):
                rows.update(self._by_name.get(path.rsplit(".", length)[0], ()))
        return rows


def fits(remedy: Remedy, cause: str, names: Mapping[str, Any]) -> bool:
    """Return whether a row holds for a cause and a module with these names."""
    if remedy.causes and cause not in remedy.causes:
        return False
    if not remedy.imports:
        return True
    packages = {full_name(thing).partition(".")[0] for thing in list(names.values())}
    return not packages.isdisjoint(remedy.imports)


def module_of(site: Site) -> str:
    """Return the loaded module that a site's function is in."""
    name = site.function
    while name and name not in sys.modules:
        name = name.rpartition(".")[0]
    return name


def inside(stall: Stall) -> Iterable[str]:
    """Return the names of the site's function and of what ran in it, outermost first.

    All of the stack where the site is not in it.
    """
    site, start = stall.site, 0
    for index, frame in enumerate(stall.stack):
        if frame.file == site.file and (frame.line == site.line or not site.exact):
            start = index
    return (site.function, *(frame.function for frame in stall.stack[start:]))


def called(code: str) -> Iterator[str]:
    """Return the dotted names of a call as it is written, and of the calls it is chained to.

    `open(path).read()` is `?.read` and `open`; what has no name is `?`. A call that is awaited does
    not wait itself: what runs in it tells.
    """
    code = RESULT.sub("", code, count=1) if RESULT.match(code) else code
    if code.startswith("await "):
        return
    text = collapsed(STRING.sub(INDEXED, code))
    if CHAIN.fullmatch(text) is None:
        start = LEADING.match(code) if OPEN.search(text) else None  # cut, as long texts are
        entered = WITH.fullmatch(code)
        yield from [start[0]] if start else []
        yield from [f"{entered[1]}.__enter__"] if entered else []
        return
    while CALLED in text:
        text = text.rpartition(CALLED)[0]
        known = re.split(f"[{CALLED}{INDEXED}]+", text)
        yield known[0] if len(known) == 1 else "?" + known[-1]


def collapsed(text: str) -> str:
    """Return source text with one character for each pair of brackets and what is in it."""
    while True:
        shorter = BRACKETS.sub(lambda m: CALLED if m[1] else INDEXED, text)
        if shorter == text:
            return text
        text = shorter


def resolved(path: str, names: Mapping[str, Any]) -> Iterator[str]:
    """Return what a dotted name means among a module's names; itself where it means nothing.

    Attributes are looked up without running any code of theirs.
    """
    root, *rest = path.split(".")
    thing = names.get(root, getattr(builtins, root, MISSING))
    if thing is MISSING:
        yield path
    while thing is not MISSING:
        yield ".".join((full_name(thing), *rest))
        if not rest:
            return
        thing = inspect.getattr_static(thing, rest.pop(0), MISSING)


def full_name(thing: Any) -> str:
    """Return `module.qualname` of a module, class or function, else of the class.

    Its type is asked, not itself: a proxy's `__class__` may run anything.
    """
    kind = type(thing)
    if issubclass(kind, ModuleType):
        return str(vars(thing).get("__name__"))
    if issubclass(kind, FunctionType | BuiltinFunctionType):
        return f"{thing.__module__}.{thing.__qualname__}"
    named = thing if issubclass(kind, type) else kind
    get = type.__getattribute__
    return f"{get(named, '__module__')}.{get(named, '__qualname__')}"
