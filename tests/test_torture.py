"""A short torture run; `python -m tests.torture` is the long one."""

import subprocess
import sys

import pytest

from .conftest import CHECKOUT, clean_environment


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_nothing_crashes_hangs_or_grows(loop: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.torture", "--stalls", "200", "--loop", loop],
        cwd=CHECKOUT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "stalls in" in run.stdout
    assert "rror" not in run.stderr, run.stderr
