"""Functions that block, each at the bottom of another stack; and what loopwatch's threads took."""

import importlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

DEPTH = 64  # frames


def deep_stacks(
    directory: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> list[Callable[[float], None]]:
    """Return so many functions; each blocks for the seconds it is given, `DEPTH` frames deep, in a
    module of its own."""
    monkeypatch.syspath_prepend(str(directory))
    for n in range(count):
        (directory / f"deep_{n}.py").write_text(source(n), "utf-8")
    importlib.invalidate_caches()
    return [importlib.import_module(f"deep_{n}").f0 for n in range(count)]


def source(number: int) -> str:
    calls = (
        f"def f{depth}(seconds):\n    x = {number}\n    f{depth + 1}(seconds)\n"
        for depth in range(DEPTH - 1)
    )
    return f"import time\n{''.join(calls)}def f{DEPTH - 1}(seconds):\n    time.sleep(seconds)\n"


def own_threads() -> float:
    """Return the CPU seconds of the watchdog and the delivery so far."""
    return sum(
        time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))
        for thread in threading.enumerate()
        if thread.name in ("loopwatch-watchdog", "loopwatch-delivery")
    )
