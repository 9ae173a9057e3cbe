"""The compiled part, which runs at every step, if it was built for this interpreter.

The files in `native/` need a compiler, CPython and its GIL. Without these, Python code does the
same at a higher cost. A build with another `ABI` than this source is not used.
"""

from __future__ import annotations

from types import ModuleType

ABI = 16


def load() -> ModuleType | None:
    try:
        import loopwatch._speedups as built
    except ImportError:
        return None
    return built if built.ABI == ABI else None


speedups = load()
