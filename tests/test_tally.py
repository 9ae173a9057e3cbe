"""What the machine disturbed is counted, by one process or by several, and too much fails in CI."""

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import CHECKOUT, clean_environment
from .tally import BUDGET

CONFTEST = "from tests.conftest import pytest_configure"
TESTS = """
import pytest
from tests.calm import begin_again, too_busy

@pytest.mark.parametrize("times", {times})
def test_begins_again(times):
    for _ in range(times):
        begin_again("of its own will")

def test_skips():
    begin_again("in vain")
    too_busy("no calm round")

def test_passes():
    pass
"""


def run(folder: Path, times: list[int], *options: str, ci: str = "true") -> tuple[int, str]:
    """Return the exit status and the output of pytest, over tests that begin again so often."""
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "test_these.py").write_text(TESTS.format(times=times), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, str(folder)]
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment() | {"PYTHONPATH": str(CHECKOUT), "CI": ci},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_repetitions_and_skips_are_counted(tmp_path: Path, options: tuple[str, ...]) -> None:
    status, said = run(tmp_path, [0, 1, BUDGET - 2], *options)
    words = "3 tests were begun again, 1 skipped, because the machine was busy"
    assert f"{words} ({BUDGET} repetitions; CI bears {BUDGET})" in said
    assert (status, "too many" in said) == (0, False)


@pytest.mark.parametrize(
    ("ci", "status"), [("true", pytest.ExitCode.TESTS_FAILED), ("", pytest.ExitCode.OK)]
)
def test_more_than_the_budget_fails_in_ci_alone(tmp_path: Path, ci: str, status: int) -> None:
    ended, said = run(tmp_path, [BUDGET], ci=ci)
    assert f"({BUDGET + 1} repetitions;" in said
    assert (ended, "too many" in said) == (status, bool(ci))
