"""Clocks that tick evenly: each reading of a performance counter is TICK after the last one.

So the steps of a slowed server seem to last about as long as normal, and none looks slow.

loopwatch's compiled part has a clock that can tick like this. If so, all variants read that clock,
with loopwatch or without, so a reading costs each of them the same. The compiled part is loaded
alone, because importing loopwatch takes clocks by name. If it cannot tick or is missing, Python
counters are used.
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
COMPILED = "loopwatch._speedups"


def install() -> None:
    """Replace the performance counters, before the code under test takes one by name."""
    compiled: Any = _loaded_part()  # first: it compares its clock with the counter
    start = time.perf_counter()
    time.perf_counter = itertools.count(start, TICK).__next__
    time.perf_counter_ns = itertools.count(int(start * 1e9), round(TICK * 1e9)).__next__
    if hasattr(compiled, "set_clock_step") and hasattr(compiled, "clock"):
        sys.modules[COMPILED] = compiled
        compiled.set_clock_step(TICK)
        time.perf_counter = compiled.clock


def _loaded_part() -> ModuleType | None:
    for path in _parts():
        try:
            return _loaded(path)
        except ImportError:  # for another interpreter: loopwatch would not use it either
            continue
    return None


def _loaded(path: Path) -> ModuleType:
    loader = ExtensionFileLoader(COMPILED, str(path))
    spec = importlib.util.spec_from_file_location(COMPILED, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _parts() -> Iterator[Path]:
    """Yield the compiled part that `import loopwatch` would find."""
    package = importlib.util.find_spec("loopwatch")
    for folder in (package and package.submodule_search_locations) or []:
        for suffix in EXTENSION_SUFFIXES:
            if (path := Path(folder, f"_speedups{suffix}")).is_file():
                yield path


def stretcher() -> Callable[[float], None]:
    """Return a function that makes the running step look longer, at the same cost for any length.

    It sets the tick, reads the clock once, and sets the tick back.
    """
    compiled: Any = sys.modules.get(COMPILED)
    if not hasattr(compiled, "set_clock_step"):
        raise NotApplicableError("no clock of a compiled loopwatch ticks evenly here")
    set_step, read = compiled.set_clock_step, time.perf_counter

    def stretch(seconds: float) -> None:
        set_step(seconds)
        read()
        set_step(TICK)

    return stretch
