"""The modules and programs that the benchmarks need."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable, Iterator


def missing_modules(loops: Iterable[str], variants: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each missing module."""
    modules = ["fastapi", "uvicorn", "httptools", *{"uvloop"} & set(loops)]
    for module in [*modules, *{"loopwatch"} & set(variants)]:
        if importlib.util.find_spec(module) is None:
            yield f"the module {module} must be installed and is not: run pip install -e '.[bench]'"


def missing_programs(programs: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each missing program of valgrind."""
    for program in programs:
        if shutil.which(program) is None:
            yield f"{program} must be on the PATH and is not: apt install valgrind"
