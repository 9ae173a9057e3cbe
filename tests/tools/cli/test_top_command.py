"""`loopwatch top`: against real servers, in a real terminal and in a pipe."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from loopwatch.__main__ import main
from loopwatch.tools.cli.follower import Follower
from loopwatch.tools.cli.remote import Remote
from tests.tools.cli.running import APPS, command, environment, loopwatch, running
from tests.tools.cli.snapshots import Said, request, saying, site, snapshot, stall

pytestmark = pytest.mark.slow
OWN = (  # makes the terminal the one that Ctrl-C counts in
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
TOLD = snapshot(sites=[site("shop.bad", 0.25)], stalls=[stall()], requests=[request("/a", 0.1)])


def until(condition: Callable[[], Any], patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def url(server: Said) -> str:
    return f"http://127.0.0.1:{server.server_port}"


class Terminal:
    """A command in a terminal of its own, and all that it has drawn."""

    def __init__(self, process: "subprocess.Popen[bytes]", door: int) -> None:
        self.process, self.door, self.drawn = process, door, ""

    def read(self) -> str:
        try:
            self.drawn += os.read(self.door, 65536).decode(errors="replace")
        except OSError:  # it has ended
            time.sleep(0.01)
        return self.drawn

    def see(self, text: str) -> None:
        until(lambda: text in self.read())

    def type(self, keys: str) -> None:
        os.write(self.door, keys.encode())

    def size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.door, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def end(self) -> int:
        until(lambda: (self.read() and False) or self.process.poll() is not None)
        return self.process.wait()


@contextmanager
def terminal(*arguments: str, columns: int = 80, lines: int = 24) -> Iterator[Terminal]:
    door, inner = pty.openpty()
    shown = Terminal(None, door)  # type: ignore[arg-type]
    shown.size(columns, lines)
    shown.process = subprocess.Popen(
        [sys.executable, "-c", OWN, *command("top", *arguments)],
        cwd=APPS,
        env=environment(TERM="xterm-256color"),
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    os.set_blocking(door, False)
    try:
        yield shown
    finally:
        shown.process.kill()
        shown.process.wait(timeout=20)
        os.close(door)


def test_once_prints_one_reading_of_a_real_app(loop: str) -> None:
    with running("shop:app", "--loop", loop) as run:
        run.get(f"{run.app}/bad?seconds=0.2")
        until(lambda: run.get(f"{run.admin}/stalls.json").json()["stalls"])
        done = loopwatch("top", run.admin, "--once")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{loop} loop" in done.stdout
    assert "shop.bad" in done.stdout
    assert "time.sleep(" in done.stdout
    assert "GET /bad" in done.stdout
    assert "\x1b" not in done.stdout


def test_terminal_shows_sorts_resizes_and_quits() -> None:
    with saying(TOLD) as server, terminal(url(server), "--interval", "0.2") as top:
        top.see("time.sleep(1)")
        top.see("by lost")
        sites = [site("shop.new", 0.5)]
        server.told = snapshot(at=101.0, sites=sites, requests=TOLD["requests"])
        top.see("shop.new")
        top.type("s")
        top.see("by held")
        top.size(150, 40)
        top.see("site")
        top.type("q")
        assert top.end() == 0
        assert top.drawn.count("\x1b[?1049h") == top.drawn.count("\x1b[?1049l") == 1
        assert top.drawn.count("\x1b[?25l") == top.drawn.count("\x1b[?25h")


@pytest.mark.parametrize("how", ["key", "SIGINT", "SIGTERM"])
def test_ends_clean(how: str) -> None:
    with saying(TOLD) as server, terminal(url(server)) as top:
        top.see("time.sleep(1)")
        if how == "key":
            top.type("\x03")
        else:
            top.process.send_signal(signal.Signals[how])
        assert top.end() == 0
        assert "Traceback" not in top.drawn
        assert "\x1b[?1049l" in top.drawn


def test_pipe_gets_reading_after_reading() -> None:
    with saying(TOLD) as server:
        process = subprocess.Popen(
            command("top", url(server), "--interval", "0.1"),
            cwd=APPS,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        seen = 0
        for text in process.stdout:
            seen += "time.sleep(1)" in text
            if seen == 3:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        rest = process.communicate()
        assert "Traceback" not in rest[1]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no head")
def test_reader_that_has_had_enough() -> None:
    with saying(TOLD) as server:
        whole = " ".join(command("top", url(server), "--interval", "0.1"))
        done = subprocess.run(
            ["sh", "-c", f"({whole}; echo code $? >&2) | head -n 3"],
            cwd=APPS,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stderr == "code 0\n"
    assert len(done.stdout.splitlines()) == 3


def test_server_goes_away_and_comes_back() -> None:
    """The last reading stays with a word of warning; another process begins afresh."""
    with saying(snapshot(stall_count=9)) as server:
        port = server.server_port
        follower = Follower(Remote(f"http://127.0.0.1:{port}"), 0.1)
        follower.start()
        server.told = snapshot(at=101.0, stall_count=12)
        until(lambda: follower.reading.stalls == 12)
        assert follower.reading.seconds == 1.0
        assert (follower.per_minute or 0) == 180
        until(lambda: not follower.trouble)
    until(lambda: follower.trouble)
    assert "still asking" in follower.trouble
    assert "does not" in follower.trouble
    assert follower.reading.stalls == 12
    with saying(snapshot(at=102.0, stall_count=1), port):
        until(lambda: follower.reading.stalls == 1)
        assert follower.reading.alone
        assert follower.per_minute is None
        until(lambda: not follower.trouble)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("top",), "required: URL"),
        (("top", "127.0.0.1:9464"), "must be an http:// or https:// address"),
        (("top", "http://127.0.0.1:1"), "must answer, and does not"),
        (("top", "http://127.0.0.1:1", "--sort", "name"), "invalid choice: 'name'"),
        (("top", "http://127.0.0.1:1", "--interval", "0"), "from 0.1 to 3600 seconds, got '0'"),
        (("top", "http://127.0.0.1:1", "--interval", "nan"), "got 'nan'"),
    ],
)
def test_wrong_arguments(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("loopwatch: ")
    assert words in line


def test_page_that_is_not_loopwatchs(capsys: pytest.CaptureFixture[str]) -> None:
    with saying({"a": 1}) as server:
        assert main(("top", url(server), "--once")) == 2
        assert "must be a live page of loopwatch" in capsys.readouterr().err
        assert main(("top", f"{url(server)}/elsewhere", "--once")) == 2
        assert "answers 404" in capsys.readouterr().err
        server.told = snapshot() | {"sites": None}
        assert main(("top", url(server), "--once")) == 2
        assert "use the same version" in capsys.readouterr().err
