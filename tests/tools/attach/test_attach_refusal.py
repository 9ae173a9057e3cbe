"""Why a process cannot be looked at, and the cure."""

import os
import platform
import sys
from pathlib import Path

import pytest

from loopwatch.tools.attach import attach_refusal as refusal
from loopwatch.tools.attach.attach_refusal import AttachError
from loopwatch.tools.attach.observer import Observer
from loopwatch.tools.attach.process_tree import ProcessTree

from .fake_proc import FakeProc


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    made = FakeProc(tmp_path)
    made.process(100)
    (made.root / "100/status").write_text("Uid:\t4242\t0\t0\t0\n")
    return made


class Forbidden(ProcessTree):
    def call(self, pid: int, thread: int) -> str:
        raise PermissionError


def said(proc: FakeProc, pid: int = 100, tree: ProcessTree | None = None) -> str:
    with pytest.raises(AttachError) as caught:
        refusal.check(tree or proc.tree, pid)
    return str(caught.value)


def test_a_process_that_may_be_traced_is_let_through(proc: FakeProc) -> None:
    refusal.check(proc.tree, 100)


def test_no_process_and_our_own(proc: FakeProc) -> None:
    assert "must be a running process, got 999 and there is none" in said(proc, 999)
    assert "must be another process" in said(proc, os.getpid())


def test_a_kernel_without_the_file(proc: FakeProc) -> None:
    (proc.root / "100/task/100/syscall").unlink()
    assert "CONFIG_HAVE_ARCH_TRACEHOOK" in said(proc)


@pytest.mark.parametrize(
    ("scope", "cure"),
    [
        ("1", "sudo sysctl kernel.yama.ptrace_scope=0"),
        ("2", "kernel.yama.ptrace_scope is 2: run it with sudo"),
        ("3", "none until the next boot"),
        ("", "--cap-add SYS_PTRACE"),
    ],
)
def test_a_refusal_names_the_cure(
    proc: FakeProc, monkeypatch: pytest.MonkeyPatch, scope: str, cure: str
) -> None:
    monkeypatch.setattr(refusal, "capable", lambda: False)
    monkeypatch.setattr(refusal, "yama", lambda: scope)
    words = said(proc, tree=Forbidden(proc.root))
    assert cure in words
    assert "--cap-add SYS_PTRACE" in words
    assert "uid 4242" in words
    assert "got 100 (uvicorn)" in words


def test_a_container_without_the_capability(
    proc: FakeProc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal, "capable", lambda: True)
    words = said(proc, tree=Forbidden(proc.root))
    assert "securityContext.capabilities.add [SYS_PTRACE]" in words
    assert "sudo" not in words


def test_py_spy_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal, "installed_py_spy", lambda: None)
    with pytest.raises(AttachError, match=r"pip install 'loopwatch\[native\]'"):
        refusal.py_spy()


def test_the_machine_must_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    with pytest.raises(AttachError, match=r"must know the system calls.*pdp11"):
        refusal.check(ProcessTree(), 1)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(AttachError, match="must have Linux, got darwin"):
        refusal.check(ProcessTree(), 1)


@pytest.mark.parametrize(
    ("complaint", "words"),
    [
        ("Failed to find python version from target process", "must be a Python process"),
        ("Permission Denied", "and the kernel refuses"),
    ],
)
def test_what_py_spy_cannot_read(
    proc: FakeProc, monkeypatch: pytest.MonkeyPatch, complaint: str, words: str
) -> None:
    monkeypatch.setattr("loopwatch.tools.attach.observer.FIRST", 0.0)
    proc.fails(complaint)
    observer = Observer(100, proc.py_spy, 0.1, proc.tree)
    with pytest.raises(AttachError, match=words):
        observer.start()


def test_a_process_without_a_loop(proc: FakeProc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopwatch.tools.attach.observer.FIRST", 0.0)
    proc.process(200, parent=100)
    with pytest.raises(AttachError, match=r"asyncio loop.*got 100 \(uvicorn\), 200 \(uvicorn\)"):
        Observer(100, proc.py_spy, 0.1, proc.tree).start()
