"""Samples of C code that keeps the GIL, read by the outside process (`outside_process.py`).

At each wake the watchdog sets when it is due back. If C code keeps the GIL, the watchdog cannot
return in time. The outside process reads the stacks meanwhile, and the watchdog finds the samples
here when it gets the GIL. This process is neither stopped nor changed for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections import Counter
from typing import Any

from loopwatch.core.evidence import OutsideFrame, OutsideSample
from loopwatch.watchdog import outside_process as outside_process
from loopwatch.watchdog.keep_alive import KeepAlive
from loopwatch.watchdog.trace_permission import denial, find_py_spy, permit

RESTARTS = 3
FAREWELL = 1.0  # s that the outside process has to end by itself
LARGEST = 1 << 18  # bytes of a message
AT_ONCE = 64  # messages read in one call


class Outside:
    """Has this process read from outside whenever the keep-alive stops. Any thread may call it.

    Raises RuntimeError where it cannot work (not Linux, no py-spy); the message says what to do.
    """

    def __init__(self) -> None:
        self._py_spy = find_py_spy()
        self._lock = threading.RLock()
        self.keep_alive = KeepAlive()
        self._helper: Helper | None = None
        self._last_resort: weakref.finalize[..., Outside] | None = None
        self._starts = 0
        self._denied = False
        self._problem: str | None = None
        self.ready = False  # the trial at the start has succeeded
        self.lost: Counter[str] = Counter()  # missing samples, by reason

    @property
    def pid(self) -> int | None:
        """The outside process's id while it runs; else None."""
        helper = self._helper
        return helper.process.pid if helper is not None else None

    def start(self) -> None:
        """Start the outside process, within milliseconds; `ready` says later whether it works."""
        with self._lock:
            if self._helper is None:
                self._starts, self._denied = 0, False
                self._launch()

    def stop(self) -> None:
        """End the outside process, and wait for its end."""
        with self._lock:
            self._end()

    def abandon(self) -> None:
        """`stop` for good in a forked child: process and keep-alive belong to the parent."""
        self._lock = threading.RLock()
        self.keep_alive.abandon()
        helper, self._helper, self.ready = self._helper, None, False
        if helper is not None:
            helper.abandon()

    def beat(self, due: float) -> None:
        """Beat, and set when the next beat is due (clock, s)."""
        self.keep_alive.beat(due)

    def rest(self) -> None:
        """Pause the keep-alive on purpose, until the next `beat`."""
        self.keep_alive.rest()

    def watch_thread(self, native_id: int) -> None:
        with self._lock:
            self.keep_alive.watch(native_id)

    def forget_thread(self, native_id: int) -> None:
        with self._lock:
            self.keep_alive.forget(native_id)

    def take(self) -> list[OutsideSample]:
        """Return the samples that have arrived since the last call; never waits."""
        with self._lock:
            helper = self._helper
            if helper is None:
                return []
            taken = [s for message in helper.messages() for s in self._understood(message)]
            if self._denied:
                self._end()
            elif helper.process.poll() is not None:
                self._relaunch(helper)
            return taken

    def take_problem(self) -> str | None:
        """Return a problem once: the outside process may not read this one, or has died."""
        problem, self._problem = self._problem, None
        return problem

    def _understood(self, message: dict[str, Any]) -> list[OutsideSample]:
        if "ready" in message:
            self.ready = True
        elif "problem" in message:
            self._problem, self._denied = denial(message["problem"]), True
        elif "lost" in message:
            self.lost[message["lost"]] += 1
        at, until = message.get("began", 0.0), message.get("ended", 0.0)
        return [
            OutsideSample(at, until, thread, holds_gil, tuple(OutsideFrame(*f) for f in frames))
            for thread, holds_gil, frames in message.get("samples", ())
        ]

    def _launch(self) -> None:
        self._starts += 1
        try:
            self._helper = Helper(self.keep_alive, self._py_spy)
        except OSError as error:
            self._problem = f"cannot start the helper process of native=True: {error}"
            return
        self._last_resort = weakref.finalize(self, self._helper.end)

    def _relaunch(self, helper: Helper) -> None:
        """Replace an outside process that has died, at most `RESTARTS` times."""
        last = self._starts > RESTARTS
        if last or self._starts == 1:
            self._problem = f"the helper process of native=True died ({helper.last_words()}): " + (
                "it is not started again" if last else f"it is started again, {RESTARTS} times"
            )
        self._end()
        if not last:
            self._launch()

    def _end(self) -> None:
        helper, self._helper, self.ready = self._helper, None, False
        if self._last_resort is not None:
            self._last_resort.detach()
        if helper is not None:
            helper.end()


class Helper:
    """The outside process and our end of the socket to it. Raises OSError if it cannot start."""

    def __init__(self, keep_alive: KeepAlive, py_spy: str) -> None:
        self.owner = os.getpid()
        self.errors = os.memfd_create("loopwatch-helper")
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.setblocking(False)
        passed = (keep_alive.page, keep_alive.timer, theirs.fileno())
        numbers = (str(number) for number in (self.owner, *passed))
        try:
            self.process = subprocess.Popen(
                [sys.executable or "", "-I", "-S", outside_process.__file__, *numbers, py_spy],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                pass_fds=passed,
                start_new_session=True,
            )
        except OSError:
            self._close()
            raise
        finally:
            theirs.close()
        permit(self.process.pid)
        self._send(b"begin")

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages that have arrived; none once the outside process has ended."""
        found: list[dict[str, Any]] = []
        with contextlib.suppress(OSError, ValueError):  # no more messages, or one cut off
            while len(found) < AT_ONCE and (packet := self.channel.recv(LARGEST)):
                found.append(json.loads(packet))
        return found

    def end(self) -> None:
        """End and reap it: once, and only in the process that started it."""
        if os.getpid() != self.owner:
            self.abandon()
        elif self.channel.fileno() >= 0:
            self._close()
            try:
                self.process.wait(FAREWELL)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            permit(0)

    def abandon(self) -> None:
        """Forget it, in a forked child."""
        if self.channel.fileno() >= 0:
            self._close()
        self.process.returncode = 0  # not our child: nothing to reap or to warn about

    def last_words(self) -> str:
        """Return how an outside process ended that has died."""
        said = os.pread(self.errors, 1 << 16, 0).decode(errors="replace").strip()
        return f"exit status {self.process.returncode} {said.rpartition(chr(10))[2][:200]}".strip()

    def _send(self, word: bytes) -> None:
        with contextlib.suppress(OSError):  # it died at once: `take` notices
            self.channel.send(word)

    def _close(self) -> None:
        self.channel.close()
        os.close(self.errors)
