"""Timing on a shared machine: a round in which our own threads waited for a CPU proves nothing.

Linux counts, thread by thread, how long it was ready to run but did not; a virtual machine counts
what its host took away. A test of exact times that fails while that is close to nothing has found
a fault, and fails at once. Only one that fails in a disturbed round is begun again. tests/tally.py
counts how often.
"""

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, ParamSpec

import pytest

P = ParamSpec("P")

ROUNDS = 5
CALM = 0.010  # s that our threads may wait for a CPU, all together, in a calm round
BUSY = "the machine is too busy"
DISTURBED: list[str] = []  # rounds of the test that runs now which are begun again


def begin_again(why: str) -> None:
    """Note that a test, or a part of it, is begun again because the machine was busy."""
    DISTURBED.append(why)
    print(f"disturbed: {why}")


def too_busy(why: str) -> NoReturn:
    """Skip a test that the machine left no room for."""
    pytest.skip(f"{BUSY}: {why}")


def in_calm(test: Callable[P, None]) -> Callable[P, None]:
    """Repeat a test that failed because the machine was busy with something else.

    It is called with the same fixtures again, so it must make what it changes itself.
    """

    @functools.wraps(test)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> None:
        for rounds_left in reversed(range(ROUNDS)):
            before = waited_for_cpu()
            try:
                test(*args, **kwargs)
                return
            except AssertionError as failure:
                waited = waited_for_cpu() - before  # not a number: unknown
                if waited < CALM or not rounds_left:
                    raise
                begin_again(f"threads waited {waited:.3f} s for a CPU; {failure}")

    return repeated


def waited_for_cpu() -> float:
    """Return seconds for which threads of this process and its children were kept from running.

    Infinity where that cannot be known: then every round counts as disturbed.
    """
    try:
        return sum(run_delay(thread) for thread in threads(os.getpid())) + stolen()
    except OSError:
        return float("inf")


def threads(process: int) -> Iterator[Path]:
    for thread in Path(f"/proc/{process}/task").iterdir():
        yield thread
        for child in children(thread):
            if Path(f"/proc/{child}").exists():
                yield from threads(int(child))


def children(thread: Path) -> list[str]:
    try:
        return (thread / "children").read_text().split()
    except (ProcessLookupError, FileNotFoundError):  # it has ended
        return []


def run_delay(thread: Path) -> float:
    try:
        return int((thread / "schedstat").read_text().split()[1]) / 1e9
    except (ProcessLookupError, FileNotFoundError):  # it has ended
        return 0.0


def stolen() -> float:
    """Return CPU seconds that the host of a virtual machine took away."""
    with open("/proc/stat", encoding="ascii") as stat:
        return int(stat.readline().split()[8]) / os.sysconf("SC_CLK_TCK")
