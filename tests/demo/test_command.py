"""`python -m examples.demo`: ends in time, names the culprits, refuses what it cannot do."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from ..ports import HOST, free_port
from .running import CHECKOUT, clean_environment

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-m", "examples.demo"]


def demo(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=CHECKOUT,
        env=clean_environment() | env,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_ends_in_time_and_names_the_culprits(loop: str) -> None:
    port, started = free_port(), time.monotonic()
    done = demo("--seconds", "12", "--loop", loop, "--port", str(port))
    assert done.returncode == 0, done.stderr
    assert 11 < time.monotonic() - started < 21
    head = next(line for line in done.stdout.splitlines() if line.startswith("lost s"))
    columns = ["waited", "total", "s", "times", "line", "call", "function", "route", "cause"]
    assert head.split()[2:] == columns
    assert "for which requests waited" in done.stdout
    first = done.stdout.splitlines()[done.stdout.splitlines().index(head) + 1].split()
    assert float(first[0]) > 0  # requests of good routes waited for the dearest
    assert int(first[1]) > 0
    table = done.stdout[done.stdout.index(head) :]
    for words in ("time.sleep(PAUSE)", "/sleep/async-def", "sleep.in_async_def", "extract_words"):
        assert words in table
    for path in ("/metrics", "/loopwatch/", "/docs"):
        assert f"http://{HOST}:{port}{path}" in table
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seconds", "soon"], ["--seconds", "5", "soon"]),
        (["--seconds", "0"], ["--seconds", "5", "'0'"]),
        (["--seconds", "nan"], ["--seconds", "nan"]),
        (["--port", "0"], ["--port", "65535", "'0'"]),
        (["--port", "80000"], ["--port", "65535", "80000"]),
        (["--loop", "trio"], ["--loop", "asyncio", "uvloop", "trio"]),
        (["--fast"], ["--fast", "--help"]),
    ],
)
def test_bad_argument_is_refused(arguments: list[str], words: list[str]) -> None:
    """One line: what must hold, what came, what to do."""
    refused(demo(*arguments), words)


def test_taken_port_is_refused() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(demo("--port", port), ["--port", port, "in use", "another"])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_URL", "mysql://root:secret@127.0.0.1/x", ["postgresql://", "mysql"]),
        ("DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/x", ["DATABASE_URL", "unset"]),
        ("DEMO_LLM_DELAY", "-1", ["DEMO_LLM_DELAY", "0 to 60", "'-1'"]),
    ],
)
def test_bad_setting_is_refused(name: str, value: str, words: list[str]) -> None:
    refused(demo("--port", str(free_port()), **{name: value}), words)


def refused(done: "subprocess.CompletedProcess[str]", words: list[str]) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert all(word in done.stderr for word in words), done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize("moment", [0.4, 1.2, 2.0, 6.0])
def test_interrupt_ends_it_cleanly(moment: float) -> None:
    """Ctrl-C, while it imports, opens, serves or loads: no traceback, nobody left behind."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [*COMMAND, "--port", str(free_port())],
        cwd=CHECKOUT,
        env=clean_environment() | {"DEMO_TEST_MARK": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert (process.returncode, "Traceback" in output) == (0, False), output
    assert left_behind(mark) == []


def left_behind(mark: str) -> list[str]:
    """Return the command lines of the processes that carry `mark` in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found
