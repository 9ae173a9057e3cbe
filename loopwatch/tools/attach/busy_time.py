"""From readings of a thread's system call to the times that its loop was busy.

Each reading says whether the loop waits in its poll. A busy time begins and ends between two
readings, so it is known to half of their distance. If the reader itself comes late, the loop may
have been in its poll meanwhile: it has not if the thread never went to sleep, or if it still waits
in the very same call. What a late reader cannot know is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from loopwatch.tools.attach.loop_stack import ThreadStack
from loopwatch.tools.attach.poll_call import Call
from loopwatch.tools.attach.process_tree import Switches, Usage

PERIOD = 0.005  # s between two readings
GAP = 0.030  # s: from here on the reader was late
PATIENCE = 0.060  # s busy until the first look
GROWTH = 1.5  # each further look is so many times as deep in the busy time
LOOKS = 8  # of one busy time

NOTHING = Usage(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Look:
    """One dump of a process while its loop was busy."""

    at: float  # clock, s
    mine: ThreadStack  # the loop's thread
    holder: ThreadStack | None  # another thread that had the GIL


@dataclass(slots=True)
class BusyTime:
    """A time that the loop did not wait in its poll. Times are of the clock, s."""

    started: float
    ended: float = 0.0
    readings: int = 0
    same: int = 0  # readings in a row that found the thread in the very same call, at most
    stopped: int = 0  # readings that found the process stopped
    usage: Usage = NOTHING  # of the loop's thread, within it
    looks: list[Look] = field(default_factory=list)
    asked: int = 0  # looks wanted so far
    due: float = 0.0  # when to want the next

    @property
    def duration(self) -> float:
        return self.ended - self.started


class BusyTimes:
    """Tells busy times of one loop apart. One thread calls `read`; `current` may be read by any."""

    def __init__(self, began: float) -> None:
        self.current: BusyTime | None = None
        self.busy = self.idle = 0.0  # s
        self.late = 0  # readings that came late while the loop was busy
        self._last, self._gap = began, 0.0
        self._call: Call | None = None
        self._run = 0  # readings in a row with the same call
        self._switches: Switches | None = None
        self._first_usage = NOTHING
        self._latest_usage = NOTHING

    def read(self, now: float, call: Call, idle: bool) -> BusyTime | None:
        """Take a reading; return the busy time that it ends."""
        gap, self._last = now - self._last, now
        self._gap = gap
        edge = min(gap, GAP) / 2  # of a longer gap, only what is certain counts
        if idle:
            self.idle += gap
            return self._end(now - gap + edge)
        self.busy += gap
        if self.current is None:
            self._begin(now - edge)
        self._run = self._run + 1 if call.waits and call == self._call else 1
        self._call = call
        if self.current is not None:
            self.current.readings += 1
            self.current.same = max(self.current.same, self._run)
        return None

    def describe(self, now: float, switches: Switches, usage: Usage) -> BusyTime | None:
        """Add what else is known of the thread at a reading that has found it busy.

        Return the busy time that ended unseen before this reading, if it came late.
        """
        before, self._switches = self._switches, switches
        busy, ended = self.current, None
        if busy is None:
            return None
        if self._gap > GAP and before is not None:
            self.late += 1
            if switches.voluntary != before.voluntary and self._run < 2:
                ended = self._end(now - self._gap + GAP / 2)
                busy = self._begin(now - GAP / 2)
                busy.readings, self._switches = 1, switches
        if busy.readings == 1:
            self._first_usage = usage
        self._latest_usage = usage
        busy.stopped += switches.stopped
        return ended

    def wants_look(self, now: float) -> bool:
        """Return, once each, whether a look at the stack is due."""
        busy = self.current
        if busy is None or now < busy.due or busy.asked >= LOOKS:
            return False
        busy.asked += 1
        busy.due = now + max(0.02, (now - busy.started) * (GROWTH - 1))
        return True

    def _begin(self, started: float) -> BusyTime:
        self.current = BusyTime(started, due=started + PATIENCE)
        self._run, self._call, self._switches = 0, None, None
        self._first_usage = self._latest_usage = NOTHING
        return self.current

    def _end(self, ended: float) -> BusyTime | None:
        busy, self.current = self.current, None
        if busy is None:
            return None
        busy.ended = max(ended, busy.started)
        first, latest = self._first_usage, self._latest_usage
        busy.usage = Usage(latest.cpu - first.cpu, latest.queued - first.queued)
        return busy
