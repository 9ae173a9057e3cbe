"""What `native/libuv_poll.c` does, in Python: where a libuv loop is.

A callback of Python's before and after each poll would cost as much as a small request. So nothing
is hooked in: libuv is asked, for its idle time and its number of turns, when a step begins more
than `LONG` after its tick began. Ticks shorter than that are not told apart, and a long one begins
with its first step, or with what ran in the poll phase before.
"""

from __future__ import annotations

import ctypes

from loopwatch.probe.long_steps import end_gap, share_step
from loopwatch.probe.pulse import LONG, Pulse
from loopwatch.probe.python_steps import end_tick

TIME = ctypes.PYFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)
INFO = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class Metrics(ctypes.Structure):
    """uv_metrics_t."""

    _fields_ = (
        ("loop_count", ctypes.c_uint64),
        ("events", ctypes.c_uint64),
        ("events_waiting", ctypes.c_uint64),
        ("reserved", ctypes.c_void_p * 13),
    )


class LibuvPoll:
    """The poll of one loop; `functions` are the addresses that `probe.libuv` names."""

    def __init__(self, pulse: Pulse, address: int, functions: tuple[int, ...], *sizes: int) -> None:
        self._idle_time, self._now = TIME(functions[8]), TIME(functions[9])
        self._info, self._metrics = INFO(functions[10]), Metrics()
        self._pulse: Pulse | None = pulse
        self._address: int | None = address
        self._zero = self._raw = self._idle_time(address)
        self._lost = 0  # ns: what signals have taken from libuv's count
        self._idle_before = 0.0  # s, at the last step that asked
        pulse.turns = self._turns()
        pulse.poll = self

    def _turns(self) -> int:
        self._info(self._address, ctypes.addressof(self._metrics))
        return int(self._metrics.loop_count)

    def read(self, now: float) -> tuple[int, float, float | None]:
        """Return turns, s idle, and since when the loop is busy; None while it waits.

        In a poll idle time grows between two calls. A signal that ends one makes libuv begin its
        count anew, so what it falls by is carried.
        """
        pulse = self._pulse
        if pulse is None or self._address is None:
            return 0, 0.0, None
        turns, before = self._turns(), self._idle_time(self._address)
        if before < self._raw:
            self._lost += self._raw - before
        self._raw = raw = self._idle_time(self._address)
        idle = (raw + self._lost - self._zero) / 1e9
        if raw > before:
            return turns, idle, None
        own = self._now(self._address) / 1e3
        return turns, idle, min(now, max(own, pulse.mark if pulse.running is None else pulse.tick))

    def catch_up(self, pulse: Pulse, ended: float, now: float) -> None:
        """A step begins now, and the last one ended then: was there a poll in between, or a gap?"""
        turns, idle, _ = self.read(now)
        waited, self._idle_before = idle - self._idle_before, idle
        rest = max(0.0, now - ended - waited)
        if turns != pulse.turns:
            pulse.mark = ended
            end_tick(pulse, ended)
            pulse.turns, pulse.idle = turns, idle
            pulse.tick = now - rest
        pulse.mark = now
        if pulse.entered is not None:
            share_step(pulse, None, None, rest)
        elif rest >= LONG:
            end_gap(pulse, rest)

    def detach(self) -> None:
        """Read nothing more; on any thread."""
        if self._pulse is not None:
            self._pulse.poll = None
        self._pulse = self._address = None

    close = detach
