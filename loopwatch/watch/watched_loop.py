"""One watched loop: its probe and its ledger, joined. Only this room knows both."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakSet

from loopwatch.core.evidence import Sample, Slow
from loopwatch.core.guard import guarded, log_once, say
from loopwatch.core.histogram import SECONDS_EDGES, Histogram
from loopwatch.core.holds import Wait
from loopwatch.core.record_types import LoopReading
from loopwatch.core.request import REQUEST, Request
from loopwatch.core.safe_text import encodable, label
from loopwatch.core.version import __version__
from loopwatch.ledger.label_table import LabelTable
from loopwatch.ledger.request_table import RequestTable
from loopwatch.ledger.step_table import StepTable
from loopwatch.ledger.ticks import Ticks, lag, never_less
from loopwatch.ledger.totals import Totals
from loopwatch.ledger.wait_table import WaitTable
from loopwatch.loop.arrival import queued
from loopwatch.loop.choose import probe_for
from loopwatch.loop.debug_mode import DebugMode
from loopwatch.loop.loop_state import LoopState, clock
from loopwatch.loop.proxy_header import since_proxy
from loopwatch.loop.server_timing import with_server_timing
from loopwatch.loop.socket_diagnosis import DIAGNOSIS
from loopwatch.loop.thread_pools import ThreadPool
from loopwatch.routing.hooks import HooksOfLoop
from loopwatch.routing.route import is_lone
from loopwatch.watch.flight import Flight
from loopwatch.watch.in_flight import Charging, count_tasks
from loopwatch.watchdog.clocks import Clocks


class WatchedLoop:
    """What is known of one loop. Made and used on its thread, read on any."""

    def __init__(
        self,
        loop: Any,
        threshold: float,
        debug: bool,
        trust_request_start: bool = False,
        server_timing: bool = False,
        record: bool = False,
    ) -> None:
        self.loop = loop
        self.estimated_ticks = Ticks()
        self._lag_told, self._busy_told = Histogram.empty(SECONDS_EDGES), 0.0
        self.steps, self._hooks = StepTable(), HooksOfLoop()
        self.requests = RequestTable(self.steps, self._hooks.routed, is_lone)
        self.charging = Charging(loop, self.requests.charge)
        self.timed, self.waits = LabelTable(), WaitTable()
        by_task = self.steps.of_task, self.steps.by_code
        self.state = LoopState(loop, threshold, self._long_step, self._many_steps, *by_task)
        self.probe = probe_for(self.state, self.estimated_ticks.add)
        self.clocks = Clocks(self.probe)
        self.threads = ThreadPool(loop, add_pooled)
        self.flight = Flight(self.state, self.requests, self.probe.kind) if record else None
        self._debug = DebugMode(self.probe) if debug else None
        self._trust_request_start = trust_request_start
        self.nonsense = 0  # X-Request-Start headers that were ignored
        self.late, self.rows = self._arrive, self.requests.rows
        self.start_response = self._start_response if server_timing else None
        self.fronts: WeakSet[Any] = WeakSet()  # middlewares that remember us
        if trust_request_start:
            self.state.behind = math.inf  # every request is asked

    def install(self, closed: Callable[[], None]) -> None:
        self.probe.install(closed)
        self.threads.install()
        self._hooks.install()
        self.clocks.begin()
        if self._debug is not None:
            self._debug.install()

    def trace(self, waited: Any, current: Callable[[], tuple[str, str] | None]) -> None:
        """Have `waited` told of requests that waited, and slow ones keep the `current` span."""
        self.requests.waited = waited
        self.state.span = partial(self._responded, current)

    def _responded(self, current: Callable[[], tuple[str, str] | None]) -> tuple[str, str] | None:
        """A slow response is complete, in its own context: its span may end before the request."""
        span, request = current(), REQUEST.get(None)
        try:
            if span is not None and request is not None:
                self._tell_waits(request)
        except Exception:
            log_once("loopwatch.watch.watched_loop")
        return span

    def _tell_waits(self, request: Request) -> None:
        state, more = self.state, list[Wait]()
        if state.victim_search.active:
            began = max(state.mark, request.started)
            more = state.victim_search.expected(request, began, state.running)
        waits = [*(request.waits or ()), *more]
        if waits:
            self.requests.row(request).tell(request, waits, sum(wait.seconds for wait in more))

    def begin(self) -> None:
        """Say what is seen on this loop, and what is not; judge from now on."""
        probe = self.probe
        blind = f"; cannot see {'; '.join(probe.blind)}" if probe.blind else ""
        say(
            logging.INFO,
            "loopwatch %s watches the %s loop of thread %s from %g s: sees %s%s",
            __version__,
            probe.kind,
            self.state.thread_name,
            self.state.threshold,
            ", ".join(probe.layers),
            blind,
        )
        self.state.begin()
        self.state.sampled = True

    def uninstall(self) -> None:
        if self._debug is not None:
            self._debug.uninstall()
        self._hooks.uninstall()
        self.threads.uninstall()
        self.probe.uninstall()
        self._be_forgotten()
        self.clocks.close()
        if all(watched is self for watched in LOOPS.values()):
            DIAGNOSIS.close()

    def abandon(self) -> None:
        """`uninstall` in a forked child."""
        self._hooks.uninstall()
        self.threads.abandon()
        self.probe.abandon()
        self._be_forgotten()

    def _be_forgotten(self) -> None:
        for front in list(self.fronts):
            front.forget()

    def _arrive(self, request: Request, receive: Any) -> None:
        """Find out how long a request that begins now has waited before the app could see it."""
        try:
            self.state.victim_search.arrive(request, self._queued(request, request.scope, receive))
        except Exception:
            log_once("loopwatch.watch.watched_loop")

    def _queued(self, request: Request, scope: Any, receive: Any) -> float:
        if self._trust_request_start:
            try:
                seconds = since_proxy(scope["headers"], time.time())
            except ValueError:
                self.nonsense += 1
            else:
                if seconds is not None:
                    return seconds
        seconds = queued(scope, receive)
        return self.state.believable(request, seconds) if seconds else 0.0

    def _start_response(self, request: Request, message: Any) -> Any:
        try:
            state = self.state
            if state.victim_search.active:
                state.victim_search.note(request, max(state.mark, request.started), state.running)
            return with_server_timing(state, request, message)
        except Exception:
            log_once("loopwatch.loop.server_timing")
            return message

    def finish(self, request: Request) -> None:
        """Count a request that ends now, within a step."""
        try:
            state = self.state
            began = max(state.mark, request.started)
            if state.limit == 0.0:
                state.victim_search.note(request, began, state.running)
            now = clock()
            self.requests.finish(request, now, now - began)
        except Exception:  # inline: a wrapper would cost every request
            log_once("loopwatch.watch.watched_loop")

    def _long_step(self, task: Any, took: float) -> None:
        row = self.steps.none if task is None else self.steps.of_task(task)
        row.add(took)

    @guarded
    def _many_steps(self, request: Request) -> None:
        if request.scope is None:  # of a task it left behind
            request.forget_long_steps()
        else:
            self.requests.take(request, clock())

    def take_pending(self) -> list[Slow]:
        """Return the slow callbacks not explained yet, each with its stack samples."""
        taken: list[Slow] = []
        pending, samples = self.state.pending, list(self.state.samples)
        while pending:
            taken.append(self._with_evidence(pending.popleft(), samples))
        return taken

    def in_progress(self, now: float) -> Slow | None:
        """Return the slow callback that the watchdog saw last, unless it has ended; any thread."""
        holding = self.probe.holding
        if holding is None or self.state.judged > holding.since:
            return None
        slow = self.state.slow(holding.since, now - holding.since)
        return self._with_evidence(slow, list(self.state.samples))

    def _with_evidence(self, slow: Slow, samples: list[Sample]) -> Slow:
        since = [s for s in samples if s.at >= slow.started]
        slow.samples = [s for s in since if s.at <= slow.ended or not s.spots]
        left_out, until = self.state.unseen
        slow.unseen = left_out <= slow.ended and slow.started <= until and not slow.samples
        if slow.unseen:  # it will not be explained
            return slow
        slow.samples = sorted([*self.clocks.collected(slow), *slow.samples], key=lambda s: s.at)
        slow.outside = self.clocks.sightings(slow.started, slow.ended)
        slow.usage = self.clocks.usage(slow.started, slow.ended, slow.cpu)
        return slow

    def reading(self, now: float) -> LoopReading:
        busy, idle = self.times(now)
        return LoopReading(
            loop=label(self.probe.kind),
            thread=encodable(self.state.thread_name),
            layers=self.layers(),
            blind=(*self.probe.blind, *DIAGNOSIS.blind),
            busy=busy,
            idle=idle,
            lag=self.lag(now),
            tasks=0 if self.loop.is_closed() else count_tasks(self.loop),
        )

    def layers(self) -> tuple[str, ...]:
        return (*self.probe.layers, *(("native",) if self.clocks.seen_from_outside else ()))

    def times(self, now: float) -> tuple[float | None, float | None]:
        """Return seconds busy and idle. Neither falls, though uvloop's idle time is later's."""
        idle = self.probe.idle(now := self.probe.until(now))
        if idle is None:
            return None, None
        busy = now - self.state.installed - idle
        if busy > self._busy_told:
            self._busy_told = busy
        return self._busy_told, idle

    def lag(self, now: float) -> Histogram:
        ticking, wall = Ticks(), (now := self.probe.until(now)) - self.state.installed
        ticking.add(self.probe.ticking(now))
        reading = lag(wall, self.state, self.estimated_ticks, ticking)
        self._lag_told = never_less(self._lag_told, reading)
        return self._lag_told

    def totals(self, now: float, recent: bool = True) -> Totals:
        """Return all sums; without `recent`, no single requests."""
        busy, idle = self.times(now)
        return Totals(
            busy or 0.0,
            idle or 0.0,
            self.lag(now),
            {(r.route, r.method): r for r in self.requests.readings(recent)},
            self.steps.readings(self.state.other_steps, self.state.other_seconds),
            self.timed.readings(),
            self._dropped(),
            self.waits.readings(),
        )

    def _dropped(self) -> Counter[str]:
        return Counter(
            routes=self.requests.overflow,
            coroutines=self.steps.overflow,
            labels=self.timed.overflow,
            stalls=self.state.dropped,
            callbacks=self.state.busy_tick.lost,
            request_start=self.nonsense,
            victims=self.state.victim_search.cut,
            waits=self.waits.overflow,
        )


LOOPS: dict[Any, WatchedLoop] = {}  # every watched loop of the process, each by one watch


def find() -> WatchedLoop | None:
    """Return the running loop as watched, None if it is not or there is none."""
    return LOOPS.get(asyncio._get_running_loop())


def add_pooled(request: Request, seconds: float) -> None:
    """Count what a request has waited for a thread, unless its response was complete."""
    if request.scope is not None and not request.responded:
        request.pooled += seconds
