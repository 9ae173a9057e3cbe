"""Each fault, small, in a process of its own; `python -m tests.faults` tries them at full size."""

import sys

import pytest

from tests.conftest import run_to_its_end

from .fault import Fault
from .table import TABLE


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize("fault", TABLE, ids=lambda fault: fault.name)
def test_the_app_goes_on_and_stalls_are_known(loop: str, fault: Fault) -> None:
    command = [sys.executable, "-m", "tests.faults", fault.name, "--here"]
    done = run_to_its_end([*command, "--loop", loop, "--size", str(fault.small)], 120)
    assert done.stdout.strip()
