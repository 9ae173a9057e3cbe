"""Suites of tests, run by pytest in a process of its own with loopwatch's plugin."""

import json
import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CHECKOUT, clean_environment

ENTRY = entry_points(group="pytest11", name="loopwatch")
PLUGIN = () if ENTRY else ("-p", "pytest_loopwatch")
CONFTEST = """
import pytest

@pytest.fixture(params=["{loop}"])
def anyio_backend(request):
    return "asyncio", {{"use_uvloop": request.param == "uvloop"}}
"""


class Suite:
    """One folder of tests."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        for name in ("GITHUB_ACTIONS", "GITHUB_WORKSPACE", "CI", "PYTEST_ADDOPTS"):
            monkeypatch.delenv(name, raising=False)
        for name in os.environ.keys() - clean_environment().keys():
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
        monkeypatch.setenv("COLUMNS", "200")
        self.loop("asyncio")

    def loop(self, name: str) -> None:
        self.pytester.makeconftest(CONFTEST.format(loop=name))

    def write(self, **sources: str) -> None:
        self.pytester.makepyfile(**sources)

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest; what the fixtures of the checkout's own tests set does not reach it."""
        given = ("-p", "no:cacheprovider", "-p", "no:randomly", *PLUGIN, *arguments)
        return self.pytester.runpytest_subprocess(*given, timeout=120)

    def findings(self, *arguments: str) -> dict[str, Any]:
        """Run pytest, and return what it found, by test."""
        self.run("--loopwatch-json", "found.json", *arguments)
        return {f["tests"][0].partition("::")[2]: f for f in self.json()["findings"]}

    def json(self, name: str = "found.json") -> Any:
        return json.loads(self.path(name).read_text("utf-8"))

    def path(self, name: str) -> Path:
        return self.pytester.path / name


def line_of(source: str, mark: str) -> int:
    """Return the number of the line in a source that has a mark."""
    return next(n for n, line in enumerate(source.splitlines(), 1) if mark in line)
