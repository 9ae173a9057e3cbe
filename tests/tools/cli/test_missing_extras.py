"""Each command says in one sentence which extra to install where a package of it is missing."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from loopwatch.core.extras import NEEDED, MissingExtraError
from tests.conftest import CHECKOUT
from tests.tools.cli.running import loopwatch

PID = str(os.getpid())
APP = ("shop:app", "--get", "/", "--duration", "1")
HTML = ("--html", os.devnull)
CASES = [
    (("run", "shop:app"), "uvicorn", "run"),
    (("run", "shop:app", "--workers", "2"), "uvicorn", "run"),
    (("top", "http://127.0.0.1:1"), "rich", "top"),
    (("diagnose", *APP), "rich", "diagnose"),
    (("diagnose", *APP), "aiohttp", "diagnose"),
    (("diagnose", *APP), "pydantic", "diagnose"),
    (("diagnose", *APP), "uvicorn", "run"),  # the app's process says it
    (("diagnose", "--compare", "a.json", "b.json"), "rich", "diagnose"),
    (("diagnose", *APP, *HTML), "jinja2", "report"),
    (("diagnose", *APP, *HTML), "matplotlib", "report"),
    (("attach", PID), "rich", "native,diagnose"),
    (("attach", PID), "pydantic", "native,diagnose"),
    (("attach", PID, *HTML), "matplotlib", "report"),
]
EXTRAS = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]


def told(words: tuple[str, ...], folder: Path, startup: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of a Python that runs some code as it starts."""
    (folder / "sitecustomize.py").write_text(startup)
    return loopwatch(*words, PYTHONPATH=f"{folder}{os.pathsep}{CHECKOUT}")


@pytest.mark.parametrize(("words", "missing", "extra"), CASES)
def test_a_missing_package_is_one_sentence_and_exit_code_2(
    words: tuple[str, ...], missing: str, extra: str, tmp_path: Path
) -> None:
    if words[0] == "attach" and sys.platform != "linux":
        pytest.skip("attach is for Linux")
    done = told(words, tmp_path, f"import sys\nsys.modules[{missing!r}] = None\n")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    who = {"run": "run", "report": f"{words[0]} --html"}.get(extra, words[0])
    assert line.startswith(f"loopwatch: loopwatch {who} must have {missing}")
    assert line.endswith(f", and it is not installed: pip install 'loopwatch[{extra}]'")


def test_a_package_that_cannot_be_imported_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich" / "__init__.py").write_text("raise ImportError('no such\\nsymbol')\n")
    done = told(("top", "http://127.0.0.1:1"), tmp_path, "")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "that fails (no such symbol): install it anew, pip install 'loopwatch[top]'" in line


def installed_by(extra: str) -> set[str]:
    """Return the names of what an extra installs, by way of other extras too."""
    found = set[str]()
    for requirement in EXTRAS[extra]:
        if requirement.startswith("loopwatch["):
            for other in requirement.partition("[")[2].rstrip("]").split(","):
                found |= installed_by(other)
        else:
            found.add(requirement.partition(">")[0])
    return found


@pytest.mark.parametrize(("words", "missing", "extra"), CASES)
def test_that_extra_installs_it(words: tuple[str, ...], missing: str, extra: str) -> None:
    del words
    assert missing in set[str]().union(*map(installed_by, extra.split(",")))


def test_there_is_an_extra_for_each_use_and_plots_come_with_the_report_alone() -> None:
    uses = {"top", "diagnose", "report", "native", "run", "otel", "pytest"}
    assert {extra for command in NEEDED.values() for extra in command.split(",")} <= uses
    assert installed_by("top") == {"rich"}
    plots = {"jinja2", "matplotlib"}
    assert {use for use in uses if plots & installed_by(use)} == {"report"}


def test_without_a_command_the_sentence_has_the_packages_own_extra() -> None:
    missing = MissingExtraError(ModuleNotFoundError("", name="rich"), "top")
    assert str(missing) == (
        "loopwatch must have rich, and it is not installed: pip install 'loopwatch[top]'"
    )
