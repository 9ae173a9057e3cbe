"""The helper process that reads stacks from outside: its start, its end, and what it says."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from loopwatch.watchdog.outside_process import SAVED, Spy, parsed
from loopwatch.watchdog.outside_sampler import Outside
from tests.conftest import run_script
from tests.watchdog.conftest import ready

if sys.platform != "linux":
    pytest.skip("reading from outside needs Linux", allow_module_level=True)


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()  # true of a zombie too


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not exists(pid)


def test_stop_leaves_no_process(outside: Outside) -> None:
    """Not even a zombie; and it can be started again."""
    first = outside.pid
    outside.stop()
    assert first is not None
    assert not exists(first)
    outside.stop()
    outside.start()
    ready(outside)
    assert outside.pid not in (None, first)


def test_what_ends_a_process_group_does_not_end_the_helper(outside: Outside) -> None:
    """Ctrl-C, and a service manager's SIGTERM to all: it goes when the app goes."""
    assert outside.pid is not None
    assert os.getsid(outside.pid) == outside.pid
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(outside.pid, number)
    time.sleep(0.1)
    outside.take()
    assert outside.ready
    assert outside.take_problem() is None


def test_a_helper_that_dies_is_replaced_but_not_for_ever(outside: Outside) -> None:
    problems = []
    for _ in range(4):
        assert outside.pid is not None
        os.kill(outside.pid, signal.SIGKILL)
        deadline, killed = time.monotonic() + 10, outside.pid
        while outside.pid == killed and time.monotonic() < deadline:
            outside.take()
            time.sleep(0.01)
        problems.append(outside.take_problem())
    assert outside.pid is None
    assert not outside.ready
    assert problems[1:3] == [None, None]
    assert "exit status -9" in str(problems[0])
    assert "not started again" in str(problems[3])


KILLED = """
    import os, signal, sys, time
    from loopwatch.watchdog.outside_sampler import Outside

    parent = os.fork()
    if parent == 0:
        outside = Outside()
        outside.start()
        if os.fork() == 0:
            os.closerange(0, 3)
            time.sleep(3)  # keeps the parent's end of the socket open
            os._exit(0)
        os.write(1, b"%d" % outside.pid)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
"""


FORKED = """
    import os, time
    from loopwatch.watchdog.outside_sampler import Outside

    outside = Outside()
    outside.start()
    while not outside.ready:
        outside.take()
        assert not outside.take_problem()
        time.sleep(0.01)
    child = os.fork()
    if child == 0:
        outside.abandon()
        outside.beat(0.0)
        assert outside.take() == []
        outside.stop()
        own = Outside()
        own.start()
        own.stop()
        raise SystemExit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    time.sleep(0.1)
    assert outside.take() == [] and not outside.lost
    os.kill(outside.pid, 0)
    print(outside.pid)
"""


DENIED = """
    import ctypes, time
    from loopwatch.watchdog.outside_sampler import Outside

    prctl = ctypes.CDLL(None).prctl
    prctl(24, 19, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SYS_PTRACE: for root
    prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
    outside = Outside()
    outside.start()
    while outside.pid is not None:
        outside.take()
        time.sleep(0.01)
    print(outside.take_problem())
"""


def test_a_killed_parent_takes_its_helper_along(outside: Outside) -> None:
    assert gone(int(run_script(KILLED)))


def test_a_forked_child_leaves_the_helper_to_its_parent(outside: Outside) -> None:
    """And one that is not stopped ends with the interpreter, without a warning."""
    assert gone(int(run_script(FORKED)))


def test_where_reading_is_not_permitted_the_message_says_why(outside: Outside) -> None:
    said = run_script(DENIED)
    assert "native=True" in said
    assert "ermission denied" in said
    assert "ptrace_scope" in said


def test_a_missing_py_spy_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(RuntimeError, match=r"pip install 'loopwatch\[native\]'"):
        Outside()


def test_another_system_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(sys, "platform", "darwin")
        with pytest.raises(RuntimeError, match="needs Linux, but this is darwin"):
            Outside()


def test_a_helper_that_cannot_start_says_why(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where `sys.executable` is a server's own program."""
    outside.stop()
    monkeypatch.setattr(sys, "executable", "")
    outside.start()
    assert "cannot start the helper process" in str(outside.take_problem())
    monkeypatch.setattr(sys, "executable", "/bin/false")
    outside.start()
    deadline = time.monotonic() + 10
    while outside.pid is not None and time.monotonic() < deadline:
        outside.take()
        time.sleep(0.01)
    assert "exit status 1" in str(outside.take_problem())


def test_a_py_spy_that_hangs_or_fails_gives_nothing() -> None:
    assert Spy(["/bin/sleep", "60"]).dump(0.05) == []
    assert Spy(["/bin/false"]).dump(5.0) == []
    assert Spy(["/bin/echo", "[{"]).dump(5.0) == []
    assert Spy(["/no/such/command"]).dump(5.0) == []
    assert parsed(b"[]") == []


def test_py_spy_is_spared_once_its_share_is_used_up() -> None:
    spy = Spy(["/bin/false"])
    assert spy.afford(0.0) == []
    spy.saved = SAVED / 2 - 0.1
    assert spy.afford(SAVED / 2) is None
    assert spy.afford(0.0) == []
    spy.saved = -0.1
    assert spy.afford(0.0) is None
