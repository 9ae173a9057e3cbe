"""Stalls of a made-up module, for the tests of advice."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from loopwatch.core.causes import Cause
from loopwatch.core.record_types import Frame, Site, Stall

FILE, LIBRARIES = "/app/store.py", "/x/site-packages/x.py"


@contextmanager
def module(source: str = "", **names: Any) -> Iterator[None]:
    """Have a module `store` with these names."""
    made = ModuleType("store")
    exec(source, vars(made))
    vars(made).update(names)
    sys.modules["store"] = made
    try:
        yield
    finally:
        del sys.modules["store"]


def stalled(code: str, cause: Cause, *inside: str, **fields: Any) -> Stall:
    """Return a stall at a call, with the functions of libraries that ran in it, outermost first."""
    here = Frame("store.handler", FILE, 7)
    below = tuple(Frame(name, LIBRARIES, 1) for name in inside)
    above = tuple(Frame(f"uvicorn.x.f{n}", LIBRARIES, n) for n in range(3))
    return Stall(
        started_at=0.0,
        duration=0.5,
        cause=cause,
        site=Site(here.function, here.file, here.line, code),
        stack=(*above, here, *below),
        **fields,
    )
