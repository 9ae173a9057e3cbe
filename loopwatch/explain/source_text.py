"""The source text of what a frame was running, and the line of a function's `def`."""

from __future__ import annotations

import itertools
import linecache
import re
from types import CodeType

from loopwatch.core.evidence import Spot
from loopwatch.core.names import module_globals, module_of
from loopwatch.core.source_statement import statement

CODE_LENGTH = 200  # characters of source text kept
DECORATORS = 64  # lines from a function's first one in which its `def` is looked for
DEFINITION = re.compile(r"\s*(?:async\s+)?def\s+(\w+)")
NOT_IN_A_FILE = ("<string>", "<stdin>", "<attrs generated")  # linecache may know another's text


def definition_line(code: CodeType, module: str | None) -> int:
    """Return the line of a function's `def`, which its decorators precede; without its source, the
    first of its lines."""
    spot = Spot(code, 0, code.co_firstlineno, module or module_of(code.co_filename))
    for line in range(spot.line, spot.line + DECORATORS):
        text = source_line(spot, line)
        found = DEFINITION.match(text)
        if not text or (found and found[1] == code.co_name):
            return line if found else spot.line
    return spot.line


BLOCK = re.compile(r"async\s+(with|for)\b")


def call_text(spot: Spot) -> str:
    """Return the source text of the instruction being run (PEP 657), on one line."""
    positions = next(
        itertools.islice(spot.code.co_positions(), spot.instruction // 2, None), (None,) * 4
    )
    first, last, start, end = positions
    if first is None or last is None:
        return statement(source_line(spot, spot.line))[:CODE_LENGTH]
    lines = [source_line(spot, n) for n in range(first, last + 1)]
    if start is not None and end is not None and all(lines):
        lines[-1] = _columns(lines[-1], 0, end)
        lines[0] = _columns(lines[0], start, None)
    text = " ".join(statement("".join(lines)).split())
    if "(" not in text:  # no call: an operator, a name; the whole line says more
        text = statement(source_line(spot, first))
    return header(text)[:CODE_LENGTH]


def header(text: str) -> str:
    """Return `async with pool` of a whole block: its body is not what is run or awaited there."""
    depth, quote = 0, ""
    for place, character in enumerate(text) if BLOCK.match(text) else ():
        if quote or character in "\"'":
            quote = character if not quote else "" if character == quote else quote
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == ":" and not depth:
            return text[:place].rstrip()
    return text


def source_line(spot: Spot, number: int) -> str:
    """Return a line of the source; the module's loader is asked where there is no file (a zip)."""
    file = spot.code.co_filename
    if file.startswith(NOT_IN_A_FILE):
        return ""
    names = module_globals(spot.module)
    return linecache.getline(file, number, names if names.get("__file__") == file else None)


def _columns(line: str, start: int, end: int | None) -> str:
    """Cut a line by offsets in UTF-8 bytes, as positions are given."""
    return line.encode()[start:end].decode(errors="replace")
