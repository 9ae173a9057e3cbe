"""The site: the innermost frame of the user's own code, and the source text of the call there.

Own code is what is neither the standard library, nor installed (site-packages), nor loopwatch.
Failing that, the innermost frame that is not plumbing: the loop, the server, the framework.
"""

from __future__ import annotations

import linecache
import sysconfig
from itertools import islice, zip_longest
from pathlib import Path
from types import CodeType

from loopwatch.evidence import Spot
from loopwatch.names import code_name
from loopwatch.records import Frame, Site

CODE_LENGTH = 200  # characters of source text kept

COMPREHENSIONS = ("<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>")

PLUMBING = frozenset(
    (
        *("asyncio", "selectors", "threading", "concurrent", "contextlib", "contextvars"),
        *("functools", "runpy", "loopwatch", "uvloop", "uvicorn", "gunicorn", "uvicorn_worker"),
        *("hypercorn", "granian", "daphne", "starlette", "fastapi", "anyio", "sniffio"),
        *("litestar", "opentelemetry", "prometheus_client"),
    )
)


def _installed_directories() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple(
        {str(Path(paths[n])) + "/" for n in names} | {str(Path(__file__).parent.parent) + "/"}
    )


INSTALLED = _installed_directories()


def is_own(spot: Spot) -> bool:
    """Return whether a frame is the user's own code."""
    file = spot.code.co_filename
    if file.startswith("<frozen ") or "/site-packages/" in file or "/dist-packages/" in file:
        return False
    return not file.startswith(INSTALLED)


def is_plumbing(spot: Spot) -> bool:
    return spot.module.partition(".")[0] in PLUMBING


def site_spot(spots: tuple[Spot, ...]) -> Spot | None:
    """Return the frame to name; None if there is nothing but plumbing."""
    named = [s for s, outer in zip_longest(spots, spots[1:]) if not inner(s, outer)]
    own = next((s for s in named if is_own(s)), None)
    return own or next((s for s in named if not is_plumbing(s)), None)


def inner(spot: Spot, outer: Spot | None) -> bool:
    """Return whether a frame is a comprehension run by the function it stands in."""
    function, _, name = spot.code.co_qualname.rpartition(".<locals>.")
    return name in COMPREHENSIONS and outer is not None and outer.code.co_qualname == function


def site(spot: Spot, exact: bool = True) -> Site:
    file = spot.code.co_filename
    return Site(code_name(spot.code, spot.module), file, spot.line, call_text(spot), exact)


def site_of_code(code: CodeType, module: str | None) -> Site:
    """Return a function as a site, where nothing is known of the line within it."""
    name = code_name(code, module)
    return Site(name, code.co_filename, code.co_firstlineno, "", exact=False)


def frames(spots: tuple[Spot, ...]) -> tuple[Frame, ...]:
    """Return a stack, outermost first."""
    return tuple(
        Frame(code_name(s.code, s.module), s.code.co_filename, s.line) for s in reversed(spots)
    )


def call_text(spot: Spot) -> str:
    """Return the source text of the instruction being run (PEP 657), on one line."""
    positions = next(islice(spot.code.co_positions(), spot.instruction // 2, None), (None,) * 4)
    first, last, start, end = positions
    if first is None or last is None:
        return linecache.getline(spot.code.co_filename, spot.line).strip()[:CODE_LENGTH]
    lines = [linecache.getline(spot.code.co_filename, n) for n in range(first, last + 1)]
    if start is not None and end is not None and all(lines):
        lines[-1] = _columns(lines[-1], 0, end)
        lines[0] = _columns(lines[0], start, None)
    text = " ".join(" ".join(lines).split())
    if "(" not in text:  # no call: an operator, a name; the whole line says more
        text = linecache.getline(spot.code.co_filename, first).strip()
    return text[:CODE_LENGTH]


def _columns(line: str, start: int, end: int | None) -> str:
    """Cut a line by offsets in UTF-8 bytes, as positions are given."""
    return line.encode()[start:end].decode(errors="replace")
