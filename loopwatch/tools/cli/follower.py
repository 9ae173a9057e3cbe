"""The latest reading of a live page, kept up to date."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Protocol

from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.readings import Reading, reading

MINUTE = 60.0  # s
SLACK = 2.0  # s that an answer may be late before trouble is shown


class Followed(Protocol):
    """What is read: a live page, or a process that was attached to."""

    is_busy: bool  # its latest answer said to ask again later

    def snapshot(self) -> Any:
        """Return what `snapshot.json` has; raises CommandError if it cannot be read."""

    def requests(self) -> Any:
        """Return what `requests.json` has; None where it is not told."""


class Follower:
    """Reads a live page on its own thread, so that a hanging server does not block the display.

    Raises:
        CommandError: the first reading fails.
    """

    def __init__(self, remote: Followed, interval: float, show: str = "stalls") -> None:
        self._remote, self._interval = remote, interval
        self.show = show  # requests in flight are only asked for while they are shown
        self._data: Any = remote.snapshot()
        self._counted: deque[tuple[float, int]] = deque()
        self.reading = self._told(reading(self._data, None, self._requests()))
        self._answered = time.monotonic()
        self._why = ""
        self.turn = 0  # grows with each attempt

    def start(self) -> None:
        threading.Thread(target=self._follow, name="loopwatch-top", daemon=True).start()

    def _follow(self) -> None:
        due = time.monotonic()
        while True:
            due = max(due + self._interval, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            self._read()
            self.turn += 1

    def _read(self) -> None:
        try:
            data = self._remote.snapshot()
            self.reading = self._told(reading(data, self._data, self._requests()))
        except CommandError as error:
            self._why = str(error)
            return
        self._data, self._answered, self._why = data, time.monotonic(), ""

    def _requests(self) -> Any:
        return self._remote.requests() if self.show == "waits" else None

    def _told(self, now: Reading) -> Reading:
        if now.alone:
            self._counted.clear()
        self._counted.append((now.taken_at, now.stalls))
        while now.taken_at - self._counted[0][0] > MINUTE:
            self._counted.popleft()
        return now

    @property
    def per_minute(self) -> float | None:
        """Stalls a minute, over the readings of the last one."""
        (began, before), (ended, after) = self._counted[0], self._counted[-1]
        return MINUTE * (after - before) / (ended - began) if ended > began else None

    @property
    def trouble(self) -> str:
        silent = time.monotonic() - self._answered
        if not self._why and silent < self._interval + SLACK:
            return ""
        why = "it is busy (503)" if self._remote.is_busy else self._why or "no answer yet"
        return f"no reading for {silent:.0f} s, still asking: {why}"
