"""The uvloop loop: idle time and iterations from libuv, steps of requests by `drive`.

uvloop never calls `Handle._run`, has no selector and its handles hide their context. So the
watchdog reads libuv at each wake: busy time since the last one, how many ticks, and whether one is
in progress and since when. Driven steps are exact; whatever else held the loop is what remains of
the tick: its start is known to a millisecond, its end to within the other work of one wake, which
on a loop that is not saturated is close to nothing.

One tick may hold many callbacks that cannot be told apart here. A tick whose photographs all show
one outermost frame is put down to one slow callback. Where they show several, each can have lasted
from the photograph before its first to the one after its last: if that is shorter than the
threshold for all of them, they were many; else nobody can say, and nobody is named.
"""

from __future__ import annotations

import gc
import importlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from functools import cache
from types import CodeType, FrameType
from typing import Any

from loopwatch.evidence import Part, Sample
from loopwatch.names import code_name
from loopwatch.probe.aftermath import Position
from loopwatch.probe.base import LAYERS, Held, Probe
from loopwatch.probe.callees import codes_of
from loopwatch.probe.libuv import Libuv
from loopwatch.probe.photograph import below_current_task, parked_frame
from loopwatch.probe.pulse import Pulse, clock
from loopwatch.request import REQUEST

SHUT_OUT = 0.15  # s between two glances: the watchdog could not look, nor could callbacks run
FEW = 16  # ticks that turned before and after that


class UvloopProbe(Probe):
    """Watches a uvloop loop. Raises OSError or AttributeError where libuv is out of reach."""

    kind = "uvloop"
    layers = ("ticks", "request steps", *LAYERS)
    blind = (
        "steps of tasks and callbacks outside a request's own coroutine, unless slow",
        "lag below the watchdog's period except in request steps (the mean tick is used)",
    )
    drives = True

    def __init__(self, pulse: Pulse, ticked: Callable[[float, int], None]) -> None:
        super().__init__(pulse)
        self.ticked = ticked
        self.libuv = Libuv(self.loop)
        self.at, self.idle_before = clock(), 0.0
        reading = self.libuv.read()
        self.count = reading.turns if reading else 0
        self.since: float | None = None  # the start of the tick in progress
        self.busy = 0.0  # of the ticks not filed yet
        self.filed = 0.0  # of `pulse.filed`, what has been taken off ticks
        self.parked: FrameType | None = None  # the frame the loop is idle in
        self.behind: float | None = None  # of the pulse, before a tick was suspected
        self.base = below_current_task()  # until that is known
        pulse.aftermath.position = self._position

    def uninstall(self) -> None:
        self.libuv.close()
        self.parked = None
        super().uninstall()

    def abandon(self) -> None:
        self.libuv.abandon()
        super().abandon()

    def held(self, now: float) -> Held | None:
        pulse = self.pulse
        if pulse.turn is not None:
            return Held(pulse.mark, pulse.mark)
        reading = self.libuv.read()
        if reading is None or reading.since is None:
            return None
        since = max(reading.since, pulse.mark)  # `mark` is the install before any step
        return Held(since, since)

    def _position(self) -> Position | None:
        reading = self.libuv.read()
        if reading is None:
            return None
        return Position(reading.turns, reading.idle, reading.since or clock())

    def suspect(self, held: Held) -> None:
        pulse = self.pulse
        if pulse.turn is None:
            at = self._position()
            if at is not None:
                pulse.aftermath.suspect = at._replace(since=held.since)
                pulse.limit = 0.0
                if self.behind is None:
                    self.behind, pulse.behind = pulse.behind, math.inf

    def glance(self) -> None:
        filed = self.pulse.filed  # before the reading: what is filed later is in a later reading
        reading = self.libuv.read()
        if reading is None:
            return
        now = clock()
        self.busy += max(0.0, now - self.at - (reading.idle - self.idle_before))
        current = min(self.busy, max(0.0, now - reading.since)) if reading.since else 0.0
        turned = reading.turns - self.count
        if turned or reading.since is None:
            over = self.busy - current
            self._file(over, filed, max(turned, 1), now - current)
            if self.behind is not None:
                self.pulse.behind, self.behind = max(self.behind, now + over), None
            self.busy = current
        if reading.since is None:
            self.filed = filed
        self.at, self.idle_before, self.count = now, reading.idle, reading.turns
        self.since = reading.since
        if self.parked is None and reading.since is None:
            self._learn_base()

    def _file(self, busy: float, filed: float, ticks: int, now: float) -> None:
        """File the ticks that are over, less the long driven steps, which filed themselves.

        Those may belong to the tick still in progress: what is too much here is left for it.
        """
        pulse = self.pulse
        driven = min(busy, filed - self.filed)
        self.filed += driven
        rest = busy - driven
        seen = self.at - self.since if self.since is not None else 0.0
        shut_out = ticks <= FEW and clock() - self.at > SHUT_OUT
        if seen > rest / 2 or shut_out:
            ticks = 1  # the one in progress, then or most of the time, is nearly all of it
        self.ticked(rest / ticks, ticks)
        if rest / ticks >= pulse.threshold:
            known = seen and self.since is not None
            started = max(self.since or 0.0, pulse.installed) if known else now - rest
            self._judge(started, rest)

    def _learn_base(self) -> None:
        """Take the frame the loop is parked in: every step runs on top of it."""
        frame = parked_frame(self.pulse.thread_id)
        after = self.libuv.read()
        if after is not None and after.since is None and after.turns == self.count:
            self.base = self.parked = frame

    def _judge(self, started: float, duration: float) -> None:
        pulse = self.pulse
        samples = [s for s in pulse.samples if s.spots and started <= s.at <= started + duration]
        if len({id(s.root) for s in samples}) <= 1:
            pulse.judge(started, duration)
            return
        slow = pulse.slow(started, duration)
        slow.parts = tuple(shares(samples, started, duration))
        slow.crowded = longest(samples, started, started + duration) < pulse.threshold
        pulse.put(slow)

    def idle(self, now: float) -> float:
        reading = self.libuv.read()
        return reading.idle if reading is not None else self.idle_before

    def ticking(self, now: float) -> float:
        reading = self.libuv.read()
        if reading is None or reading.since is None:
            return 0.0
        driven = self.pulse.filed - self.filed  # it may be of this tick
        return max(0.0, now - reading.since - driven)

    def callback_context(self, callback: CodeType) -> Context | None:
        """Return the context of the only young handle that runs this code.

        Handles hide it, but not from the collector. Where several hold the same code for several
        requests, nobody can say whose turn it is.
        """
        found = [context for context in map(context_of, young_handles(callback)) if context]
        owners = {context.get(REQUEST) for context in found}
        return found[0].copy() if len(owners) == 1 else None


def young_handles(callback: CodeType) -> Iterator[list[Any]]:
    """Return what the uvloop handles that run this code hold, of the two young generations."""
    kinds = handle_kinds()
    for generation in (0, 1):
        for thing in gc.get_objects(generation):
            if type(thing) in kinds:
                held = gc.get_referents(thing)
                if any(code is callback for one in held for code in codes_of(one)):
                    yield held


@cache
def handle_kinds() -> tuple[type, ...]:
    extension: Any = importlib.import_module("uvloop.loop")
    return extension.Handle, extension.TimerHandle


def context_of(held: list[Any]) -> Context | None:
    return next((one for one in held if isinstance(one, Context)), None)


def longest(samples: Sequence[Sample], started: float, ended: float) -> float:
    """Return the seconds that one callback of a tick can have lasted at most."""
    moments = [started, *(s.at for s in samples), ended]
    spans: dict[int, tuple[float, float]] = {}
    for n, sample in enumerate(samples):
        began, _ = spans.get(id(sample.root), (max(moments[n], sample.since), 0.0))
        spans[id(sample.root)] = began, moments[n + 2]
    return max(end - began for began, end in spans.values())


def shares(samples: Sequence[Sample], started: float, duration: float) -> Iterator[Part]:
    """Return what a tick's photographs show, each standing for an equal share of it."""
    names = Counter(s.coroutine or code_name(s.spots[-1].code, s.spots[-1].module) for s in samples)
    for name, count in names.most_common():
        yield Part(name, None, None, duration * count / len(samples))
