"""The names of a call as it is written at the site.

They are looked up among the names of the site's module, so an alias or a global object is seen
through; no locals, which are not kept.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from loopwatch.core.record_types import Site

STRING = re.compile(r"""(?:\b[rbufRBUF]{1,2})?(\"{3}|'{3}|"|')(?:\\.|(?!\1).)*\1""")
BRACKETS = re.compile(r"(\([^()\[\]{}]*\))|\[[^()\[\]{}]*\]|\{[^()\[\]{}]*\}")
CALLED, INDEXED = "\1", "\2"
CHAIN = re.compile(rf"[\w.{CALLED}{INDEXED}]+{CALLED}")
LEADING = re.compile(r"[\w.]+(?=\()")
OPEN = re.compile(r"[(\[{\"']")
RESULT = re.compile(r"(?:return|[\w.]+(?:, [\w.]+)* =) ")  # a whole line, when its call is over
WITH = re.compile(r"(?:async )?with ([\w.]+)(?: as \w+)?:[^\n]*")
AWAITED = re.compile(r"await ([\w.]+)(?=\()")
MISSING = object()

POWER, SEARCH, DELETE = "**()", "in()", "del()"


def module_of(site: Site) -> str:
    """Return the loaded module that a site's function is in."""
    name = site.function
    while name and name not in sys.modules:
        name = name.rpartition(".")[0]
    return name


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


def awaited(code: str) -> Iterator[str]:
    """Return the dotted name of a call that is awaited."""
    found = AWAITED.search(code)
    yield from [found[1]] if found else []


def operators(code: str) -> Iterator[str]:
    """Return the operators and statements of a line that may be slow by themselves, in a line
    without another call."""
    tree = parsed(code) if any(sign in code for sign in ("**", " in ", "del ")) else None
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Delete):
            yield DELETE
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow):
            yield POWER
        if isinstance(node, ast.Compare) and any(
            isinstance(o, ast.In | ast.NotIn) for o in node.ops
        ):
            yield SEARCH


def parsed(code: str) -> ast.Module | None:
    """Return the tree of a line; None of what is no statement by itself."""
    for text in (code, f"{code} pass", f"{code}\n pass"):
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


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
    found = [".".join((full_name(thing), *rest)) for thing, rest in meant(path, names)]
    yield from found or [path]


def meant(path: str, names: Mapping[str, Any]) -> Iterator[tuple[Any, list[str]]]:
    """Return the objects along a dotted name, each with the names that follow."""
    root, *rest = path.split(".")
    thing = names.get(root, getattr(builtins, root, MISSING))
    while thing is not MISSING:
        yield thing, [*rest]
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
