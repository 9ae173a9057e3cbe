"""What an example prints, held against what it says that it prints.

An example ends with its expected output, as comments. Lines are compared to the letter, but for
figures with a decimal point, which are seconds on somebody's machine.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..calm import ROUNDS, begin_again, too_busy
from ..conftest import CHECKOUT, clean_environment

EXAMPLES = CHECKOUT / "examples"
EXPECTED = re.compile(r"^# Expected output:\n#\n(?P<lines>(?:#   .*\n)+)\Z", re.MULTILINE)
FIGURE = re.compile(r"\b\d+\.\d+\b")
EARLY, LATE = 0.11, 0.25  # s that a figure may be below and above the one that is written
PATIENCE = 60.0  # s for one example, on a crowded machine
NOT_INSTALLED = 2  # exit status
STARVED = "[starved]"  # in the log: an example had no CPU
ON_UVLOOP = """
import asyncio, runpy, sys, uvloop
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def expected(example: Path) -> list[str]:
    found = EXPECTED.search(example.read_text("utf-8"))
    assert found, f"{example.name} must end with its expected output"
    return [line.removeprefix("#   ") for line in found["lines"].splitlines()]


def differs(seen: list[str], wanted: list[str]) -> str:
    """Return where an output is not the one that is wanted; nothing if it is."""
    for line, said in zip(seen, wanted, strict=False):
        if FIGURE.sub("N", line) != FIGURE.sub("N", said):
            return f"{line!r} is not {said!r}"
        for figure, written in zip(FIGURE.findall(line), FIGURE.findall(said), strict=True):
            if not float(written) - EARLY <= float(figure) <= float(written) + LATE:
                return f"{figure} is not about {written} in {line!r}"
    more = seen[len(wanted) :] or wanted[len(seen) :]
    return f"{len(seen)} lines, not {len(wanted)}: {more}" if more else ""


def run(example: Path, loop: str, **environment: str) -> tuple[list[str], str]:
    """Run an example on `loop`; return the lines that it prints, and its log."""
    runner = ["-c", ON_UVLOOP] if loop == "uvloop" else []
    done = subprocess.run(
        [sys.executable, *runner, str(example)],
        cwd=CHECKOUT,
        env=clean_environment() | {"PYTHONPATH": str(CHECKOUT)} | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode == NOT_INSTALLED and not os.environ.get("CI"):
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    print(done.stderr)  # pytest shows it if the test failed
    return done.stdout.splitlines(), done.stderr


def check(example: Path, loop: str, **environment: str) -> None:
    """Run an example; on a busy machine, until its figures are as written, up to five times."""
    wanted = expected(example)
    for rounds_left in reversed(range(ROUNDS)):
        seen, log = run(example, loop, **environment)
        difference = differs(seen, wanted)
        if not difference:
            return
        if not rounds_left and STARVED in log:
            too_busy(difference)
        assert rounds_left, difference
        begin_again(f"{example.name}: {difference}")
