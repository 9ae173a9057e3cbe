"""What `native/libuv_poll.c` does, in Python: the poll of a libuv loop, by ctypes."""

from __future__ import annotations

import ctypes
from typing import Any

from loopwatch.guard import tell_once
from loopwatch.probe.long_steps import end_gap, share_step
from loopwatch.probe.pulse import LONG, Pulse, clock
from loopwatch.probe.python_steps import end_tick

CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
TIME = ctypes.PYFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)

_closing: dict[int, Any] = {}  # handles that libuv has not let go, by address


def _on_closed(handle: int) -> None:
    _closing.pop(handle, None)


_closed = CALLBACK(_on_closed)


class LibuvPoll:
    """The poll of one loop; `functions` are the addresses that `probe.libuv` names."""

    def __init__(
        self,
        pulse: Pulse,
        address: int,
        functions: tuple[int, ...],
        prepare_size: int,
        check_size: int,
    ) -> None:
        call = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self._calls = [call(function) for function in functions[:8]]
        self._idle, self._now = (TIME(function) for function in functions[8:])
        self._pulse: Pulse | None = pulse
        self._address: int | None = address
        self._seen = self._idle_before = 0
        self._before, self._after = CALLBACK(self._on_prepare), CALLBACK(self._on_check)
        self._handles = [
            self._open(prepare_size, 0, self._before),
            self._open(check_size, 3, self._after),
        ]
        pulse.poll = self

    def _open(self, size: int, first: int, function: Any) -> Any:
        handle = ctypes.create_string_buffer(size)
        at = ctypes.addressof(handle)
        if self._calls[first](self._address, at) != 0:
            raise OSError("libuv refused a handle")
        self._calls[first + 1](at, ctypes.cast(function, ctypes.c_void_p))
        self._calls[7](at, None)  # unref
        return handle

    def _on_prepare(self, handle: int) -> None:
        pulse = self._pulse
        if pulse is None:
            return
        try:
            now = clock()
            gap = now - pulse.mark
            pulse.mark = now
            if gap >= LONG or pulse.entered is not None:
                self._end_callbacks(pulse, gap)
            end_tick(pulse, now)
            self._idle_before, self._seen = self._idle(self._address), 0
            pulse.mark = pulse.tick = clock()
            pulse.polling = True
        except Exception:
            tell_once("loopwatch.probe.python_libuv")

    def _on_check(self, handle: int) -> None:
        pulse = self._pulse
        if pulse is None or not pulse.polling:
            return
        try:
            now = clock()
            back = self._came_back(pulse, self._idle(self._address), now)
            pulse.idle += back - pulse.tick
            pulse.tick, pulse.mark, pulse.polling = back, now, False
            if now - back >= LONG or pulse.entered is not None:
                self._end_callbacks(pulse, now - back)
        except Exception:
            tell_once("loopwatch.probe.python_libuv")

    def _end_callbacks(self, pulse: Pulse, took: float) -> None:
        if pulse.entered is not None:
            share_step(pulse, None, None, took)
        else:
            end_gap(pulse, took)

    def _came_back(self, pulse: Pulse, idle: int, now: float) -> float:
        own = self._seen or self._now(self._address)
        back = pulse.tick + max(0, idle - self._idle_before) / 1e9
        return min(now, max(back, own / 1e3))

    def note_time(self) -> None:
        """Note the loop's own time before somebody sets it."""
        if not self._seen and self._address is not None:
            self._seen = self._now(self._address)

    def since(self, now: float) -> float | None:
        """Return when a poll in progress came back; None while it waits."""
        pulse, address = self._pulse, self._address
        if pulse is None or address is None:
            return None
        before = self._idle(address)
        if self._idle(address) > before:
            return None
        return self._came_back(pulse, before, now)

    def detach(self) -> None:
        """Read and write nothing more; on any thread, before `close`."""
        if self._pulse is not None:
            self._pulse.poll = None
        self._pulse = self._address = None

    def close(self) -> None:
        """Give the handles back, on the loop's thread, before the loop closes."""
        self.detach()
        for first, handle in zip((0, 3), self._handles, strict=False):
            at = ctypes.addressof(handle)
            _closing[at] = handle, self._before, self._after
            self._calls[first + 2](at, None)  # stop
            self._calls[6](at, ctypes.cast(_closed, ctypes.c_void_p))
        self._handles = []
