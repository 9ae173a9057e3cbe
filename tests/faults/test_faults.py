"""Each fault, small, in a process of its own; `python -m tests.faults` tries them at full size."""

import sys

import pytest

from tests.calm import begin_again

from .fault import Fault
from .table import TABLE
from .trial import tried

TRIES = 3  # a busy machine may keep the watchdog from seeing a line; a fault of ours always fails
PATIENCE = 120.0  # s


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize("fault", TABLE, ids=lambda fault: fault.name)
def test_the_app_goes_on_and_stalls_are_known(loop: str, fault: Fault) -> None:
    """Only what asserts is tried again: a crash or a hang is not the machine's."""
    for tries_left in reversed(range(TRIES)):
        done = tried(fault, loop, fault.small, PATIENCE)
        if done.returncode != 1 or not tries_left:
            break
        begin_again(done.stderr)
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stdout.strip()
