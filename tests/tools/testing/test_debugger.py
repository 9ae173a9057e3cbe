"""A debugger is told from a tool that measures coverage."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from loopwatch.tools.testing import debugger


def trace_of(module: str) -> Any:
    def trace(*_: object) -> None:
        return None

    trace.__module__ = module
    return trace


@pytest.mark.parametrize(
    ("module", "active"), [("bdb", True), ("own", True), ("coverage.collector", False)]
)
def test_whoever_traces(monkeypatch: pytest.MonkeyPatch, module: str, active: bool) -> None:
    monkeypatch.setattr(debugger, "is_monitored", lambda: False)
    monkeypatch.setattr(sys, "gettrace", lambda: trace_of(module))
    assert debugger.is_active() == active


def test_debuggers_that_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    tools: dict[int, str] = {}
    monkeypatch.setattr(sys, "gettrace", lambda: None)
    monkeypatch.setattr(sys, "monitoring", SimpleNamespace(get_tool=tools.get), raising=False)
    assert not debugger.is_active()
    tools[0] = "bdb"
    assert debugger.is_active()


def test_pydevd_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "gettrace", lambda: None)
    monkeypatch.setattr(debugger, "is_monitored", lambda: False)
    monkeypatch.setitem(sys.modules, "pydevd", SimpleNamespace())
    assert debugger.is_active()
