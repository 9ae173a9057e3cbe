"""A traceback that leads to the line which held the loop, so that pytest shows it as any other.

The frames of a stall are gone when its test is judged. So functions are made whose code says that
it is of the same file, function and line, each calling the next, and the last one raises. pytest
then reads the source itself, in every style that `--tb` knows.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from loopwatch.core.record_types import Frame, Stall
from loopwatch.explain.site import DEFAULT

CALLING, RAISING = "def shown(): step()", "def shown(): raise error"


def raise_at(stall: Stall, otherwise: Frame | None, error: BaseException) -> NoReturn:
    """Raise `error` where a stall was; where no line of it is known, at `otherwise`."""
    __tracebackhide__ = True
    step: Callable[[], Any] | None = None
    for frame in reversed(own_frames(stall) or ([otherwise] if otherwise else [])):
        step = made(frame, step, error)
    if step is not None:
        step()
    raise error


def own_frames(stall: Stall) -> Sequence[Frame]:
    """Return the user's own frames down to the site, outermost first."""
    site = stall.site
    if not site.line:
        return ()
    own = [frame for frame in stall.stack if DEFAULT.is_own_file(frame.file)]
    depths = [n for n, f in enumerate(own) if (f.file, f.line) == (site.file, site.line)]
    if depths:
        return own[: depths[-1] + 1]
    if not DEFAULT.is_own_file(site.file):  # a thread's, in a library
        return own
    return [Frame(site.function, site.file, site.line)]


def made(frame: Frame, step: Callable[[], Any] | None, error: BaseException) -> Callable[[], Any]:
    """Return a function that stands at a frame's line and calls `step`, or raises."""
    tree = ast.parse(CALLING if step is not None else RAISING)
    begin = first_line(frame.file, frame.line)
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            place: Any = node
            place.lineno = begin if isinstance(node, ast.FunctionDef) else frame.line
            place.end_lineno, place.col_offset, place.end_col_offset = frame.line, 0, 0
    names: dict[str, Any] = {"step": step, "error": error}
    exec(compile(tree, frame.file, "exec"), names)
    name = frame.function.rpartition(".")[2]
    shown: Any = names["shown"]
    shown.__code__ = shown.__code__.replace(co_name=name, co_qualname=name)
    function: Callable[[], Any] = shown
    return function


def first_line(file: str, line: int) -> int:
    """Return the first line of the function around a line; the line itself where there is none."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError):
        return line
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    around = (
        node
        for node in ast.walk(tree)
        if isinstance(node, kinds) and node.lineno <= line <= (node.end_lineno or 0)
    )
    return max((node.lineno for node in around), default=line)
