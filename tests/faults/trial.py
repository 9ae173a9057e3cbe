"""One fault in a process of its own: what it crashes, hangs or leaves behind is nobody else's."""

import subprocess
import sys

from tests.conftest import CHECKOUT, clean_environment

from .fault import Fault

HUNG = 3  # the exit status of one that has not ended in time; 1: something was wrong; < 0: a crash


def tried(
    fault: Fault, loop: str, size: int, patience: float
) -> "subprocess.CompletedProcess[str]":
    """Try it within `patience` s; it prints its figures, or what was wrong to stderr."""
    command = [sys.executable, "-m", "tests.faults", fault.name, "--here"]
    options = ["--loop", loop, "--size", str(size)]
    try:
        return subprocess.run(
            [*command, *options],
            cwd=CHECKOUT,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        why = f"it has not ended after {patience:g} s"
        return subprocess.CompletedProcess(command, HUNG, "", why)
