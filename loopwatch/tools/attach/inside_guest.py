"""What runs in the process itself, where `sys.remote_exec` can bring it there (CPython 3.14).

It watches the loop of the main thread, answers with snapshots on a Unix socket, and puts everything
back when the other end closes. It makes no log, no metrics and no spans.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import threading
from typing import Any

from loopwatch.core.gil_turns import FOR_ANSWERS
from loopwatch.core.own_thread import OwnThread
from loopwatch.core.plain import members
from loopwatch.core.rest import rest
from loopwatch.watch.watch import Watch

PATIENCE = 10.0  # s for the other end to connect
FAREWELL = 5.0  # s for the loop to take its watch off


def begin(folder: str, threshold: float) -> None:
    """Watch the running loop, and answer in `folder`; called by that loop. Never raises."""
    try:
        loop: Any = asyncio.get_running_loop()
        watch = Watch(slow_callback_duration=threshold, log=False, registry=None, otel=False)
        watch.start()
        try:
            if not watch.snapshot(recent=False).loops:
                raise RuntimeError("loopwatch cannot watch this loop")
            listener = listening(folder)
        except BaseException:
            watch.stop()
            raise
    except Exception as error:
        refuse(folder, f"{type(error).__name__}: {error}")
        return
    OwnThread(serve, "loopwatch-attached", listener, loop, watch).start()


def listening(folder: str) -> socket.socket:
    path = os.path.join(folder, "socket")
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path + ".new")
        os.chmod(path + ".new", 0o600)
        listener.listen(1)
        listener.settimeout(PATIENCE)
        os.rename(path + ".new", path)
        stack.pop_all()  # it stays open
    return listener


def refuse(folder: str, why: str) -> None:
    """Say why not, in a file."""
    with contextlib.suppress(OSError):
        path = os.path.join(folder, "refused")
        with open(path + ".new", "w", encoding="utf-8", errors="replace") as file:
            file.write(why)
        os.rename(path + ".new", path)


def serve(listener: socket.socket, loop: Any, watch: Watch) -> None:
    """Answer each line with a snapshot, until the other end closes; then take the watch off."""
    try:
        with listener, contextlib.suppress(OSError):
            connection, _ = listener.accept()
            connection.settimeout(None)
            with connection, connection.makefile("rwb") as stream:
                while next_request(connection, stream):
                    stream.write(answer(watch))
                    stream.flush()
    finally:
        leave(loop, watch)


def next_request(connection: socket.socket, stream: Any) -> Any:
    """Wait for a line, and return it; b"" at the end. One is sent once the last is answered."""
    while not rest(FOR_ANSWERS, connection.fileno(), PATIENCE, ())[0]:
        pass
    return stream.readline()


def answer(watch: Watch) -> bytes:
    text = json.dumps(watch.snapshot(recent=False), default=members, separators=(",", ":"))
    return text.encode("ascii") + b"\n"


def leave(loop: Any, watch: Watch) -> None:
    """Stop the watch on the loop's own thread: what hangs on a loop is taken off there."""
    done = threading.Event()

    def stop() -> None:
        watch.stop()
        done.set()

    with contextlib.suppress(RuntimeError):  # the loop has closed
        loop.call_soon_threadsafe(stop)
        done.wait(FAREWELL)
    if not done.is_set() and loop.is_closed():  # nothing hangs on it any more
        watch.stop()
