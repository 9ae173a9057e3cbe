"""The watch: what an app holds on to. Options, the loops it watches, what it has counted."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry

from loopwatch.core import options
from loopwatch.core.cpu_budget import SHARE, CpuBudget
from loopwatch.core.fork import on_fork
from loopwatch.core.frames import STILL
from loopwatch.core.guard import guarded
from loopwatch.core.leaving import at_exit
from loopwatch.core.predictions import Latest
from loopwatch.core.record_types import Instrument, RequestInFlight, Snapshot, Stall
from loopwatch.explain.advice import Adviser
from loopwatch.explain.site import SiteRules
from loopwatch.exporters.defaults import default_exporters
from loopwatch.exporters.exporter import Exporters
from loopwatch.ledger.loop_time_table import LoopTimeTable
from loopwatch.ledger.pause_table import PauseTable
from loopwatch.ledger.profile import Profile
from loopwatch.ledger.told_waits import ToldWaits
from loopwatch.ledger.totals import Totals
from loopwatch.loop.adoption import adopt_loops, stop_adopting
from loopwatch.waits.oldest_requests import oldest_requests
from loopwatch.waits.wait_reader import WaitReader
from loopwatch.watch.attaching import TURN, WATCHDOG
from loopwatch.watch.liveness import Liveness, liveness
from loopwatch.watch.loop_time import LoopTime
from loopwatch.watch.own_cost import OwnCost
from loopwatch.watch.profiles import chosen
from loopwatch.watch.recorded_loops import RecordedLoops
from loopwatch.watch.reporter import Reporter
from loopwatch.watch.snapshot import take
from loopwatch.watchdog.collecting_threads import note_collection
from loopwatch.watchdog.gc_pauses import GcPauses

MOST_IN_FLIGHT = 1000  # requests that may be asked for at once


class Watch(RecordedLoops):
    """Watches event loops and records what holds them.

    `with Watch() as watch: asyncio.run(main())` watches every loop that begins to run meanwhile;
    `start()` inside a running loop watches that one. A loop has one watch at a time.

    Args:
        slow_callback_duration: a step of the loop of this many seconds or more is a stall.
        debug: turn on asyncio's debug mode, for development, and record its warnings as stalls.
        native: read the stacks from a helper process as well, for C code that keeps the GIL.
        server_timing: send the four parts of each response's latency in the header Server-Timing.
        trust_request_start: use the header X-Request-Start, which a proxy in front must set.
        app_packages: import names that count as your own code although they are installed.
        allow: patterns of `fnmatch` for sites (`module.qualname`) whose stalls are intended: they
            are counted separately and reported nowhere else.
        advice: sentences by call, before loopwatch's own, such as `{"acme.db": "Use acme.aio."}`.
        log: write every stall to the log, rate-limited.
        registry: the Prometheus registry to export through; None for none.
        metrics_port: serve that registry on the first free port from this one on; None: nowhere.
        cpu_budget: the share of a core that loopwatch's own threads may use, over 10 s; beyond it,
            stalls are timed and counted, but not explained.
        live_after: seconds from which a held loop is not alive, for `GET /livez` on that port.
        metrics_host: the address that this port listens on.
        flight_recorder: keep the latest 30 s of each loop, step by step, for `trace`; the path of
            a folder: also write traces there on stalls and slow requests. None: keep them where
            the compiled part is there; without it that costs up to 40 % of a small request.
        otel: send spans and metrics to OpenTelemetry; does nothing unless an SDK is configured.

    Raises:
        TypeError, ValueError: an option cannot be what it was given as.
    """

    def __init__(
        self,
        *,
        slow_callback_duration: float = 0.1,
        debug: bool = False,
        native: bool = False,
        server_timing: bool = False,
        trust_request_start: bool = False,
        app_packages: Collection[str] = (),
        allow: Collection[str] = (),
        advice: Mapping[str, str] = MappingProxyType({}),
        log: bool = True,
        registry: CollectorRegistry | None = REGISTRY,
        metrics_port: int | None = None,
        metrics_host: str = "127.0.0.1",
        live_after: float = 30.0,
        cpu_budget: float = SHARE,
        flight_recorder: bool | str | os.PathLike[str] | None = None,
        otel: bool = True,
    ) -> None:
        super().__init__()
        self.slow_callback_duration = options.seconds(
            "slow_callback_duration", slow_callback_duration
        )
        self.live_after = options.seconds("live_after", live_after)
        self.cpu_budget = options.share("cpu_budget", cpu_budget)
        self.debug = options.flag("debug", debug)
        self.records, folder = options.flight_recorder(flight_recorder)
        self.native = options.flag("native", native)
        self.server_timing = options.flag("server_timing", server_timing)
        self.trust_request_start = options.flag("trust_request_start", trust_request_start)
        self.site_rules = SiteRules(options.packages("app_packages", app_packages))
        exporters = [*default_exporters(log, otel, registry, metrics_host, metrics_port)]
        if folder is not None:
            from loopwatch.exporters.trace_files import TraceFiles

            exporters.append(TraceFiles(folder))
        self._exporters = Exporters(self, exporters)
        self.stopped = False  # by hand: then no middleware starts it again
        self._reporter = Reporter(
            (e for e in self._exporters if hasattr(e, "stalled")),
            options.site_patterns("allow", allow),
            Adviser(options.sentences("advice", advice)),
            self.site_rules,
            self._exporters.write,
            lambda: self._loops.values(),  # noqa: PLW0108, since the dict is replaced
        )
        self._started = self._adopting = False
        self._begin_counting()

    def _begin_counting(self) -> None:
        self._reporter = self._reporter.afresh()
        self._past = Totals()
        self._pauses = PauseTable()
        self._gc = GcPauses(self._collected, self._rest)
        reporter = self._reporter
        self._told_waits = ToldWaits()
        self._waits = WaitReader(lambda: self._loops, self.site_rules)
        self._loop_time = LoopTime(self.site_rules)
        others = self._waits.seconds, self._loop_time.seconds
        self._own_cost = OwnCost(WATCHDOG, reporter.delivery, reporter.elsewhere, *others)
        budget = CpuBudget(self.cpu_budget, self._own_cost.budgeted)
        reporter.budget = self._waits.budget = self._loop_time.budget = budget

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> Watch:
        """Return a watch with the options in `LOOPWATCH_*` variables, such as
        `LOOPWATCH_SLOW_CALLBACK_DURATION=0.05`; raises ValueError for an unknown one."""
        given = os.environ if environment is None else environment
        return cls(**options.from_environment(options.VARIABLES, given, options.RUN_VARIABLES))

    def start(self) -> None:
        """Watch the running loop; outside one, every loop that begins to run from now on.

        Doing so again changes nothing. Raises RuntimeError if another watch has the loop.
        """
        self.stopped = False
        try:
            loop: Any = asyncio.get_running_loop()
        except RuntimeError:
            self._begin()
            if not self._adopting:
                self._adopting = True
                adopt_loops(self._adopt)
            return
        if loop not in self._loops and not self._may_take(loop):
            raise RuntimeError(
                "this loop is watched by another Watch already; use that one, or stop it first"
            )
        self._attach(loop)

    def stop(self) -> None:
        """Put back what was there before; deliver what is left, but wait 2 s for that at most."""
        self.stopped = True
        with TURN:
            if self._adopting:
                stop_adopting(self._adopt)
            self._stop_loops()
            self._gc.uninstall()
            self._started = self._adopting = False
        self._reporter.lines.stop()
        self._reporter.settle(all_of_them=True)
        self._reporter.delivery.finish()
        self._exporters.stop()

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def add_instrument(self, instrument: Instrument) -> None:
        """Call `instrument.stalled(stall)` for every stall, on loopwatch's own thread.

        One that raises is logged once and removed. Raises TypeError if it has no `stalled`.
        """
        self._reporter.delivery.add(instrument)
        self._exporters.add(instrument)

    def remove_instrument(self, instrument: Instrument) -> None:
        """Undo `add_instrument`; nothing happens if it was not there."""
        self._reporter.delivery.remove(instrument)
        self._exporters.remove(instrument)

    @property
    def stalls(self) -> tuple[Stall, ...]:
        """The latest 256 stalls, oldest first; every stall that has ended is among them."""
        self._reporter.explain(self._loops.values())
        return self._reporter.table.recent()

    @property
    def in_progress(self) -> tuple[Stall, ...]:
        """What holds a loop right now, for the threshold or longer; on any thread."""
        return self._reporter.in_progress.stalls(self._loops.values())

    def requests_in_flight(self, limit: int = 100) -> tuple[RequestInFlight, ...]:
        """Return the oldest requests that have not ended, oldest first, at most `limit` (1 to
        1000); on any thread. Raises ValueError for another limit."""
        asked = options.count("limit", limit, MOST_IN_FLIGHT)
        return oldest_requests(self._loops, self.site_rules, asked)

    def liveness(self) -> Liveness:
        """Whether a supervisor should let the process live; on any thread."""
        return liveness(self._loops.values(), self.in_progress, self.live_after)

    def flamegraph_folded(self, of: str = "stalls") -> str:
        """Return stalls, or `of` "loop_time" busy time, a line a stack: `frame;frame 150` ms."""
        return self._profile(of).folded()

    def speedscope(self, of: str = "stalls") -> dict[str, Any]:
        """Return the same in speedscope's file format, JSON-ready, in s; ValueError as above."""
        return self._profile(of).speedscope()

    def pprof(self) -> bytes:
        """Return the loop's busy time for pprof, gzipped; ImportError without that extra."""
        return self._loop_time.pprof(self._loops.values())

    def _profile(self, of: str) -> Profile | LoopTimeTable:
        return chosen(of, self._reporter, self._loop_time, self._loops.values())

    def snapshot(self, *, recent: bool = True) -> Snapshot:
        """Return a frozen reading as of now, from any thread; without `recent`, up to 10 MB of
        single requests are not copied, and `recent_requests` and `without` know of none."""
        with self._own_cost.reading():
            return self._snapshot(recent)

    def _snapshot(self, recent: bool) -> Snapshot:
        watching, past = self._loops, self._past  # no call between these: they agree
        for watched in (loops := list(watching.values())):
            watched.charging.soon()
        self._reporter.explain(loops)
        self._reporter.settle()
        self._loop_time.collect(loops)
        own = self._own_cost.seconds()
        dropped = Counter(log=0, samples=self._own_cost.lost_samples(), looks=self._waits.skipped)
        for part in (self._reporter, self._exporters, self._loop_time):
            dropped.update(part.dropped())
        table, times, now = self._reporter.table, self._loop_time.readings(), self.in_progress
        given = self._pauses, own, dropped, recent, self._told_waits
        found = take(loops, past, table, times, now, *given)
        return replace(found, predicting=Latest(self.replay)) if recent and self.records else found

    def _begin(self) -> None:
        """Start what does not depend on a loop, once."""
        self._exporters.start()
        if self._started:
            return
        self._started = True
        on_fork(self._after_fork)
        at_exit(self._tell_last)
        self._gc.install()

    def _collected(self, generation: int, seconds: float) -> None:
        """Count a collection, on the thread on which it ran."""
        self._pauses.add(generation, seconds)
        note_collection(seconds)

    @guarded
    def _tell_last(self) -> None:
        """The process ends, and nobody has stopped this watch: deliver what is known."""
        if not self.stopped:
            self._reporter.tell_last(self._loops.values())

    def _after_fork(self) -> None:
        """In a child the loop is the parent's; what was counted there is the parent's to tell."""
        TURN.anew()
        WATCHDOG.forget_thread()
        STILL.abandon()
        self._abandon_loops()
        self._reporter.lines.abandon()
        self._exporters.after_fork()
        self._gc.uninstall()
        self._begin_counting()
        if self._started:
            self._gc.install()
