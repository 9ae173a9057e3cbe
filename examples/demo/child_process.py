"""Runs a Python module in its own process, which ends with its parent."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

CHECKOUT = Path(__file__).resolve().parents[2]


class ChildProcess:
    """`python -m module arguments`, with its output line by line."""

    def __init__(self, module: str, arguments: Sequence[str], fds: Sequence[int] = ()) -> None:
        # In its own session it does not get Ctrl-C: the parent stops it, in the right order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=fds,
            cwd=CHECKOUT,
            start_new_session=True,
            text=True,
        )

    @property
    def lines(self) -> IO[str]:
        """Yield its output until it ends."""
        assert self._process.stdout is not None
        return self._process.stdout

    def kill(self) -> None:
        """End it now; may be called from any thread, and twice."""
        self._process.kill()

    def stop(self) -> None:
        """End it, and wait for it."""
        self.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def when_orphaned(end: Callable[[], object] = lambda: os._exit(0)) -> None:
    """Call `end` once the parent is gone, even if killed: then our standard input closes."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        end()

    threading.Thread(target=wait, name="parent", daemon=True).start()
