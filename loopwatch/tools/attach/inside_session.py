"""The other end of `inside_guest`: a probe in the process, brought there by `sys.remote_exec`.

The interpreter of the process runs our script at its next safe point (PEP 768). Both must be of one
minor version, and loopwatch must be importable there. The import takes too long for the loop's
thread, so another thread does it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from loopwatch.tools.attach.process_tree import ProcessTree

PATIENCE = 3.0  # s for the process to run the script; an idle loop must wake first
NAP = 0.02  # s
ANSWER = 10.0  # s
SCRIPT = """\
def _loopwatch_begins():
    import asyncio, os, threading
    def refuse(error):
        with open({folder!r} + "/refused.new", "w") as file:
            file.write(type(error).__name__ + ": " + str(error))
        os.rename({folder!r} + "/refused.new", {folder!r} + "/refused")
    def prepare():
        try:
            from loopwatch.tools.attach.inside_guest import begin
            loop.call_soon_threadsafe(begin, {folder!r}, {threshold!r})
        except Exception as error:
            refuse(error)
    try:
        loop = asyncio.get_running_loop()
        threading.Thread(target=prepare, name="loopwatch-import", daemon=True).start()
    except Exception as error:
        refuse(error)
_loopwatch_begins()
del _loopwatch_begins
"""


class InsideError(Exception):
    """Why there is no probe in the process."""


class InsideSession:
    """A probe in a process, until it is closed.

    Raises:
        InsideError: there can be none; the message says why.
    """

    def __init__(self, pid: int, threshold: float, tree: ProcessTree | None = None) -> None:
        tree = tree or ProcessTree()
        remote_exec = getattr(sys, "remote_exec", None)
        if remote_exec is None:
            raise InsideError("it takes Python 3.14 or newer, here and there")
        if not tree.shares_files(pid):
            raise InsideError("it is in a container, whose files are others")
        self._folder = Path(tempfile.mkdtemp(prefix="loopwatch-"))
        self._script = self._folder / "begin.py"
        try:
            self._script.write_text(SCRIPT.format(folder=str(self._folder), threshold=threshold))
            self._permit(tree.uid(pid))
            remote_exec(pid, str(self._script))
        except Exception as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise InsideError(" ".join(str(error).split()) or type(error).__name__) from error
        self._connection = self._connected()
        self._stream = self._connection.makefile("rwb")

    def snapshot(self) -> Any:
        """Return a snapshot as plain data; raises InsideError once the process has gone."""
        try:
            self._stream.write(b"snapshot\n")
            self._stream.flush()
            line = self._stream.readline()
            if line:
                return json.loads(line)
        except (OSError, ValueError) as error:
            raise InsideError(f"the process does not answer ({error})") from error
        raise InsideError("the process has gone")

    def close(self) -> None:
        """Have the process take off its watch."""
        with contextlib.suppress(OSError):
            self._stream.close()
        self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _permit(self, owner: int | None) -> None:
        if owner is not None and owner != os.geteuid():
            for path in (self._script, self._folder):
                os.chown(path, owner, -1)

    def _connected(self) -> socket.socket:
        path, until = self._folder / "socket", time.monotonic() + PATIENCE
        refused = self._folder / "refused"
        while time.monotonic() < until:
            if refused.exists():
                why = refused.read_text("utf-8", "replace")
                shutil.rmtree(self._folder, ignore_errors=True)
                raise InsideError(why)
            if path.exists():
                connection = socket.socket(socket.AF_UNIX)
                connection.settimeout(ANSWER)
                connection.connect(str(path))
                return connection
            time.sleep(NAP)
        self._script.write_text("")  # it may still be run: then it does nothing, and complains not
        raise InsideError(f"its main thread has run no Python code for {PATIENCE:g} s")
