"""Clocks that tick evenly: each reading of a performance counter is TICK after the last one.

So a slowed server's steps last about as long as in life, and nothing takes them for slow ones.

loopwatch's compiled twin has a clock of its own, which can tick like this. Where it can, everybody
reads that one, whether loopwatch is switched on or not: so a reading costs every variant the same.
The twin is loaded by itself, for importing loopwatch takes clocks by name. A twin that cannot
tick, or none, leaves it at counters of Python's.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from refusal import NotApplicableError

TICK = 1e-5  # s
TWIN = "loopwatch._speedups"


def install() -> None:
    """Replace the performance counters, before anything under test takes one by name."""
    twin: Any = _loaded_twin()  # first: it compares its clock with the counter
    start = time.perf_counter()
    time.perf_counter = itertools.count(start, TICK).__next__
    time.perf_counter_ns = itertools.count(int(start * 1e9), round(TICK * 1e9)).__next__
    if hasattr(twin, "set_clock_step") and hasattr(twin, "clock"):
        sys.modules[TWIN] = twin
        twin.set_clock_step(TICK)
        time.perf_counter = twin.clock


def _loaded_twin() -> ModuleType | None:
    for path in _twins():
        try:
            return _loaded(path)
        except ImportError:  # of another interpreter: nor does loopwatch use it
            continue
    return None


def _loaded(path: Path) -> ModuleType:
    loader = ExtensionFileLoader(TWIN, str(path))
    spec = importlib.util.spec_from_file_location(TWIN, path, loader=loader)
    assert spec is not None
    twin = importlib.util.module_from_spec(spec)
    loader.exec_module(twin)
    return twin


def _twins() -> Iterator[Path]:
    """Yield the twin that `import loopwatch` would find."""
    package = importlib.util.find_spec("loopwatch")
    for folder in (package and package.submodule_search_locations) or []:
        for suffix in EXTENSION_SUFFIXES:
            if (path := Path(folder, f"_speedups{suffix}")).is_file():
                yield path


def stretcher() -> Callable[[float], None]:
    """Return what makes the step that runs look so many seconds longer, at the same cost for any.

    It sets the tick, reads the clock once, and sets the tick back.
    """
    twin: Any = sys.modules.get(TWIN)
    if not hasattr(twin, "set_clock_step"):
        raise NotApplicableError("no clock of a compiled loopwatch ticks evenly here")
    set_step, read = twin.set_clock_step, time.perf_counter

    def stretch(seconds: float) -> None:
        set_step(seconds)
        read()
        set_step(TICK)

    return stretch
