"""An app in a child process, under `loopwatch run`. It ends with its parent, however that goes."""

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
GRACE = 5.0  # s to end in good order
LINES = 200  # of its output, kept
SAID = re.compile(r"^loopwatch: .+ on (\S+); live page (\S+)/, metrics \S+$")
UP = "Application startup complete."
PREFIX = "loopwatch: "
LOG = re.compile(r"^(INFO|WARNING|ERROR|DEBUG):\s")


@dataclass(frozen=True, slots=True)
class Served:
    """Where a child serves."""

    app: str  # its address
    page: str  # the live page's


class Child:
    """`loopwatch run`, told to end when its standard input does: ours, or we, are gone."""

    def __init__(self, arguments: Sequence[str]) -> None:
        # A session of its own keeps Ctrl-C from it: its parent ends it, in the right order.
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
        """Return where it serves, once it does; raises CommandError if it will not."""
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
        """End it, and wait until it has ended."""
        self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:  # its loop is held
            self._process.kill()
            self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def ended(self) -> str | None:
        """Return how it ended, None if it did not."""
        code = self._process.poll()
        if code is None:
            return None
        told = self._told()
        return f"exit code {code}" + (f", {told[-1]}" if told else "")

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as output:
            for line in output:
                self._lines.append(line.rstrip("\n"))
                if found := SAID.match(self._lines[-1]):
                    self._served = Served(*found.groups())
                if UP in line and self._served is not None:
                    self._up.set()

    def _told(self) -> list[str]:
        """Return its latest output, without the server's log and our own first line."""
        kept = (line for line in self._lines if not (LOG.match(line) or SAID.match(line)))
        return [line.strip() for line in kept if line.strip()]

    def _reason(self) -> str:
        """Return why it did not start: its own line, and what the app said before it."""
        told = self._told()
        if not told or not told[-1].startswith(PREFIX):
            return f"the app must start, and ended with exit code {self._process.returncode}" + (
                f": {told[-1]}" if told else ""
            )
        reason = told[-1].removeprefix(PREFIX)
        if "see above" in reason:
            cause = told[-2] if len(told) > 1 else "it did not say why"
            reason = reason.replace("see above", cause)
        return reason


@contextmanager
def serving(arguments: Sequence[str]) -> Iterator[tuple[Child, Served]]:
    """Serve an app meanwhile, as `loopwatch run` with these arguments."""
    child = Child([*arguments, "--end-with-stdin", "--no-access-log"])
    try:
        yield child, child.wait()
    finally:
        child.end()
