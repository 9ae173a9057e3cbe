"""What decides whether a process may be read from outside."""

from pathlib import Path

import pytest

from loopwatch.watchdog import trace_permission as permission


def test_capabilities_and_yama_are_read(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("CapEff:\t0000000000080000\n")
    assert permission.capable(status)
    status.write_text("CapEff:\t0000000000000000\n")
    assert not permission.capable(status)
    assert not permission.capable(tmp_path / "none")
    (tmp_path / "scope").write_text("1\n")
    assert permission.yama(tmp_path / "scope") == "1"
    assert permission.yama(tmp_path / "none") == ""


def test_circumstances_are_told_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permission, "yama", lambda: "")
    monkeypatch.setattr(permission, "capable", lambda: False)
    told = permission.circumstances()
    assert told.startswith("kernel.yama.ptrace_scope absent, capability SYS_PTRACE no, seccomp ")
