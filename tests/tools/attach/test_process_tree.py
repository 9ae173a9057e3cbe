"""What is read from `/proc`."""

import os
from pathlib import Path

import pytest

from loopwatch.tools.attach.process_tree import CallFile, ProcessTree

from .fake_proc import PARKED, SLEEPING, FakeProc


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    made = FakeProc(tmp_path)
    made.process(100)
    return made


def test_a_family_is_a_process_and_its_descendants_but_never_we(proc: FakeProc) -> None:
    proc.process(300, parent=200)
    proc.process(200, parent=100)
    proc.process(os.getpid(), parent=100)
    proc.process(400, parent=os.getpid())
    proc.process(500)
    assert proc.tree.family(100) == [100, 200, 300]
    assert proc.tree.family(500) == [500]


def test_zombies_and_missing_processes_do_not_exist(proc: FakeProc) -> None:
    proc.process(200, state="Z")
    assert proc.tree.exists(100)
    assert not proc.tree.exists(200)
    assert not proc.tree.exists(999)
    assert proc.tree.threads(999) == []
    assert proc.tree.name(999) == "?"


def test_the_time_of_a_thread_is_in_seconds(proc: FakeProc) -> None:
    assert proc.tree.usage(100, 100) == (2.0, 0.5)
    assert proc.tree.switches(100, 100) == (5, False)


def test_without_schedstat_the_clock_ticks_are_read(proc: FakeProc) -> None:
    folder = proc.root / "100/task/100"
    (folder / "schedstat").unlink()
    ticks = os.sysconf("SC_CLK_TCK")
    (folder / "stat").write_text(f"100 (a) R {'0 ' * 10}{ticks} {2 * ticks} 0 0\n")
    assert proc.tree.usage(100, 100) == (3.0, 0.0)
    assert proc.tree.usage(100, 999) == (0.0, 0.0)


def test_an_open_file_is_read_again_and_again(proc: FakeProc) -> None:
    file = CallFile(proc.tree, 100, 100)
    assert file.read().rstrip() == PARKED.rstrip()
    proc.call(100, 100, SLEEPING)
    assert file.read().rstrip() == SLEEPING.rstrip()
    file.close()
    file.close()
    assert file.read() == ""


def test_this_very_process_reads_alike() -> None:
    tree = ProcessTree()
    assert tree.exists(os.getpid())
    assert os.getpid() in tree.threads(os.getpid())
    assert tree.shares_files(os.getpid())
    assert tree.uid(os.getpid()) == os.geteuid()
