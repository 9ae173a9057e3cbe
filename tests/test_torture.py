"""A short torture run; `python -m tests.torture` is the long one."""

import sys

import pytest

from .conftest import run_to_its_end

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_nothing_crashes_hangs_or_grows(loop: str) -> None:
    command = [sys.executable, "-m", "tests.torture", "--stalls", "200", "--loop", loop]
    run = run_to_its_end(command, 120)
    assert "stalls in" in run.stdout
    assert "rror" not in run.stderr, run.stderr
