"""An app in a child process, under `loopwatch run`. It ends with its parent, even a killed one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from loopwatch.tools.cli.command_error import CommandError

STARTUP = 60.0  # s
GRACE = 5.0  # s for a clean exit
LINES = 200  # lines of its output that are kept
SAID = re.compile(r"^loopwatch: .+ on (\S+); live page (\S+)/, metrics \S+$")
UP = "Application startup complete."
PREFIX = "loopwatch: "
LOG = re.compile(r"^(INFO|WARNING|ERROR|DEBUG):\s")


@dataclass(frozen=True, slots=True)
class Served:
    """The addresses of a child."""

    app: str
    page: str  # the live page


class Child:
    """`loopwatch run`. It ends when we close its standard input, or when we end."""

    def __init__(self, arguments: Sequence[str]) -> None:
        # In its own session it does not get Ctrl-C: the parent ends it, in the right order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loopwatch", "run", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            text=True,
            errors="replace",
        )
        self._lines: deque[str] = deque(maxlen=LINES)
        self._served: Served | None = None
        self._up = threading.Event()
        self._reader = threading.Thread(target=self._read, name="child", daemon=True)
        self._reader.start()

    def wait(self) -> Served:
        """Wait until it serves, and return where; raises CommandError if it does not start."""
        deadline = time.monotonic() + STARTUP
        while not self._up.wait(0.05):
            if self._process.poll() is not None:
                self._reader.join(GRACE)
                raise CommandError(self._reason())
            if time.monotonic() > deadline:
                raise CommandError(f"the app must start within {STARTUP:.0f} s, and did not")
        assert self._served is not None
        return self._served

    def end(self) -> None:
        """End the process, and wait for it."""
        self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:  # its loop is held
            self._process.kill()
            self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def ended(self) -> str | None:
        """Return how it ended, or None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        output = self._output()
        return f"exit code {code}" + (f", {output[-1]}" if output else "")

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as output:
            for line in output:
                self._lines.append(line.rstrip("\n"))
                if found := SAID.match(self._lines[-1]):
                    self._served = Served(*found.groups())
                if UP in line and self._served is not None:
                    self._up.set()

    def _output(self) -> list[str]:
        """Return its latest output, without the server's log and our own first line."""
        kept = (line for line in self._lines if not (LOG.match(line) or SAID.match(line)))
        return [line.strip() for line in kept if line.strip()]

    def _reason(self) -> str:
        """Return why it did not start: loopwatch's error line, and the app's line before it."""
        output = self._output()
        if not output or not output[-1].startswith(PREFIX):
            return f"the app must start, and ended with exit code {self._process.returncode}" + (
                f": {output[-1]}" if output else ""
            )
        reason = output[-1].removeprefix(PREFIX)
        if "see above" in reason:
            cause = output[-2] if len(output) > 1 else "it gave no reason"
            reason = reason.replace("see above", cause)
        return reason


@contextmanager
def serving(arguments: Sequence[str]) -> Iterator[tuple[Child, Served]]:
    """Serve an app inside the `with` block, as `loopwatch run` does with these arguments."""
    child = Child([*arguments, "--end-with-stdin", "--no-access-log", "--no-summary"])
    try:
        yield child, child.wait()
    finally:
        child.end()
