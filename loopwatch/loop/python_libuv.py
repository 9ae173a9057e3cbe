"""The Python version of `native/libuv_poll.c`: where a libuv loop is.

A Python callback before and after each poll would cost as much as a small request, so libuv gets no
hook. Instead, a step that begins more than `LONG` after its tick began reads libuv's idle time and
its number of turns. Shorter ticks are not distinguished. A long one begins with its first step, or
with what ran in the poll phase before it.
"""

from __future__ import annotations

import ctypes

from loopwatch.loop.loop_state import LONG, LoopState
from loopwatch.loop.python_steps import end_tick
from loopwatch.loop.slow_steps import end_gap, share_step

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
    """The poll of one loop; `functions` are the addresses of `FUNCTIONS` in libuv.py."""

    def __init__(
        self, state: LoopState, address: int, functions: tuple[int, ...], *sizes: int
    ) -> None:
        self._idle_time, self._now = TIME(functions[8]), TIME(functions[9])
        self._info, self._metrics = INFO(functions[10]), Metrics()
        self._told = ctypes.addressof(self._metrics)
        self._state: LoopState | None = state
        self._address: int | None = address
        self._zero = self._raw = self._idle_time(address)
        self._lost = 0  # ns that signals have taken from libuv's count
        self._idle_before = 0.0  # s, at the last step that read it
        state.turns = self._turns(address)
        state.poll = self

    def _turns(self, address: int) -> int:
        self._info(address, self._told)
        return int(self._metrics.loop_count)

    def _idle(self, address: int) -> float:
        """Return s idle. A signal that ends a poll resets libuv's count, so what it falls by is
        added."""
        raw = self._idle_time(address)
        if raw < self._raw:
            self._lost += self._raw - raw
        self._raw = raw
        return float(raw + self._lost - self._zero) / 1e9

    def read(self, now: float) -> tuple[int, float, float | None]:
        """Return turns, s idle, and since when the loop is busy (clock, s), None while it waits.

        In a poll, idle time grows between two reads.
        """
        state, address = self._state, self._address
        if state is None or address is None:
            return 0, 0.0, None
        turns, before, idle = self._turns(address), self._idle(address), self._idle(address)
        if idle > before:
            return turns, idle, None
        own = self._now(address) / 1e3
        return turns, idle, min(now, max(own, state.mark if state.running is None else state.tick))

    def catch_up(self, state: LoopState, ended: float, now: float) -> None:
        """Find whether a poll or a gap lies between the last step, which `ended` then, and `now`,
        where a step begins (clock, s)."""
        address = self._address
        if address is None:
            return
        turns, idle = self._turns(address), self._idle(address)
        waited, self._idle_before = idle - self._idle_before, idle
        rest = max(0.0, now - ended - waited)
        if turns != state.turns:
            state.mark = ended
            end_tick(state, ended)
            state.turns, state.idle = turns, idle
            state.tick = now - rest
            if state.recorder is not None:
                state.recorder.poll(state, max(ended, now - rest - waited), now - rest)
        state.mark = now
        if state.entered is not None:
            share_step(state, None, None, rest)
        elif rest >= LONG:
            end_gap(state, rest)

    def detach(self) -> None:
        """Stop reading libuv; any thread may call this."""
        if self._state is not None:
            self._state.poll = None
        self._state = self._address = None

    close = detach
