"""Prometheus with many workers: each writes its numbers into `prometheus_client`'s files.

With `PROMETHEUS_MULTIPROC_DIR` set, `prometheus_client` keeps every value in a file of its process
and leaves collectors out; whoever is asked for `/metrics` adds up the files of all processes. So in
that mode nothing is registered, and what has been counted is written there, beside the app's own.

Rule: a value of a histogram or counter is only ever added to, what a source has more of than it has
told. A file may hold numbers already, of an earlier process with the same id: they stay counted.
Even a correction downwards is left out, since a reader in between would see a counter begin anew.
What is written is seen value by value: no lock keeps a reader of the files out.

The lock of `prometheus_client` is the process's: a child forked while it is held could never
count again. So no fork begins while we write.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias
from weakref import ref

from prometheus_client import values
from prometheus_client.mmap_dict import mmap_key
from prometheus_client.multiprocess import mark_process_dead

from loopwatch.core.fork import no_fork_while
from loopwatch.core.guard import guarded, is_due, say
from loopwatch.core.histogram import Histogram
from loopwatch.core.record_types import SiteReading, Source
from loopwatch.exporters.disk_room import BEGUN, reserve, reserved, try_out
from loopwatch.exporters.metrics import INFO, METRICS, STALL, Labels, Metric, Value, series

OFTEN = 1.0  # s at least from one reading of everything to the next
SHARE = 0.02  # of one core, that this may take
TURN = 0.005  # s that it may take at once
ENTRY = 40  # bytes of a value in a file beside its key, at most
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

Numbers: TypeAlias = tuple[float, ...]
Row: TypeAlias = tuple[Metric, Labels, Value]

_writing = threading.RLock()
_places: dict[tuple[Any, str, Labels], tuple[Any, ...]] = {}  # in this process's files, by series
_first: dict[tuple[Any, str], Any] = {}  # a value in each of its files, by the file's prefix
_writer = os.getpid()  # the process that has written last
_sharing: set[ref[Sharing]] = set()


def active() -> bool:
    """Whether `prometheus_client` is in multiprocess mode; it decides so when it is imported."""
    return values.ValueClass is not values.MutexValue


class Sharing:
    """Keeps this process's files up to date with one source."""

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self._source, self._clock = source, clock
        self._due = float("-inf")
        self._spent = 0.0  # s of CPU time since the last reading of everything
        self._rows: deque[Row] = deque()  # of that reading, not written yet
        self._told: dict[Metric, dict[Labels, Numbers]] = {metric: {} for metric in METRICS}
        self._checked = False
        self._turn = threading.RLock()  # an older reading is not written after a newer one
        _sharing.add(ref(self, _sharing.discard))
        no_fork_while(_writing)

    def afresh(self) -> Sharing:
        """Return one of the same source in a forked child, where nothing has been told."""
        _sharing.discard(ref(self))  # a thread that is no more may keep it for ever
        return Sharing(self._source, self._clock)

    def is_due(self) -> bool:
        """Whether `attend` would write something."""
        return bool(self._rows) or self._clock() >= self._due

    def due_in(self) -> float:
        """Return s until `attend` would write something."""
        return 0.0 if self._rows else max(0.0, self._due - self._clock())

    @guarded
    def attend(self) -> None:
        """Write a part of everything, if it is time to; others wait for who calls this."""
        with self._turn:
            if not self.is_due():
                return
            began = time.thread_time()
            if not self._rows:
                self._spent, self._due = 0.0, self._clock() + OFTEN
                self._rows = self._whole()
            self._write(self._rows, time.perf_counter() + TURN)
            self._spent += time.thread_time() - began
            if not self._rows:
                self._rest()

    @guarded
    def flush(self) -> None:
        """Write everything now."""
        with self._turn:
            self._rows.clear()
            self._write(self._whole())
            self._rest()

    @guarded
    def stalls(self, changed: Callable[[], Iterable[SiteReading]]) -> None:
        """Write the stalls of those sites that have had some since `changed` was last asked."""
        self._write(deque((STALL, (r.route, r.site, r.cause), r.stalls) for r in changed()))

    def _whole(self) -> deque[Row]:
        """Return all there is to write; gauges that have gone are 0."""
        whole = series(self._source.snapshot(recent=False))
        gone = (
            (metric, labels, 0.0)
            for metric, told in self._told.items()
            if metric.kind == "gauge"
            for labels in told.keys() - whole[metric].keys()
        )
        rows = ((metric, *row) for metric, found in whole.items() for row in found.items())
        return deque((*gone, *rows))

    def _rest(self) -> None:
        self._due = self._clock() + max(OFTEN, self._spent / SHARE)
        self._check()

    @guarded
    def _write(self, rows: deque[Row], until: float = float("inf")) -> None:
        try:
            with _writing:
                begin_in_child()
                while rows and time.perf_counter() < until:
                    self._put(*rows.popleft())
        except OSError as error:
            rows.clear()
            say_once(
                f"{VARIABLE} must be a directory that can be written, got "
                f"{directory()!r} ({error.strerror}): until it is one, this process's numbers are "
                "missing from /metrics"
            )

    def _put(self, metric: Metric, labels: Labels, value: Value) -> None:
        told, now = self._told[metric], numbers(value)
        before = told.get(labels)
        if now == before:
            return
        written = places(metric, labels)
        if metric.kind == "gauge":
            told[labels] = now
            total = sum(s._told[metric].get(labels, (0.0,))[0] for s in sharing())
            written[0].set(min(1.0, total) if metric is INFO else total)
            return
        told[labels] = now = now if before is None else tuple(map(max, before, now))
        for place, more in zip(written, differences(before, now), strict=True):
            if more:
                place.inc(more)

    @guarded
    def _check(self) -> None:
        """Once, drop what dead processes left; from then on, see that our own files are there."""
        folder = directory()
        ours = folder is not None and Path(folder, f"counter_{os.getpid()}.db").exists()
        if folder is not None and ours and not self._checked:
            self._checked = True
            drop_dead_workers(Path(folder))
        elif self._checked and not ours:
            say_once(
                f"{VARIABLE} must be left alone while a process runs, and its files are gone from "
                f"{folder!r}: its numbers are missing from /metrics until it is started again"
            )


def sharing() -> list[Sharing]:
    """Return all there are, whoever makes one meanwhile."""
    return [there for known in _sharing.copy() if (there := known()) is not None]


def directory() -> str | None:
    return os.environ.get(VARIABLE)


def numbers(value: Value) -> Numbers:
    """Return a value as what is written of it: buckets, not added up, and the sum."""
    return (*value.counts, value.sum) if isinstance(value, Histogram) else (value,)


def differences(before: Numbers | None, now: Numbers) -> Numbers:
    return now if before is None else tuple(n - b for b, n in zip(before, now, strict=True))


def places(metric: Metric, labels: Labels) -> tuple[Any, ...]:
    """Return where the numbers of a series are kept, made once a process; raises OSError."""
    key = values.ValueClass, metric.name, labels
    found = _places.get(key)
    if found is None:
        found = _places[key] = tuple(make(metric, labels))
    return found


def make(metric: Metric, labels: Labels) -> Iterable[Any]:
    name = metric.prometheus_name
    family = name.removesuffix("_total")
    mode = "livemax" if metric is INFO else "livesum"

    prefix = f"gauge_{mode}" if metric.kind == "gauge" else metric.kind

    def place(name: str, names: Labels, labels: Labels) -> Any:
        size = len(mmap_key(family, name, names, labels, metric.help)) + ENTRY  # type: ignore[arg-type]
        make_room(prefix, size)
        made = values.ValueClass(metric.kind, family, name, names, labels, metric.help, mode)
        reserve(_first.setdefault((values.ValueClass, prefix), made), 0)
        return made

    if metric.kind == "histogram":
        for edge in (*map(str, metric.edges), "+Inf"):
            yield place(f"{name}_bucket", (*metric.labels, "le"), (*labels, edge))
        yield place(f"{name}_sum", metric.labels, labels)
    else:
        yield place(name, metric.labels, labels)


def make_room(prefix: str, size: int) -> None:
    """Have room for one more value in a file of this process; raises OSError if there is none."""
    first = _first.get((values.ValueClass, prefix))
    if first is not None:
        reserve(first, size)
    elif (folder := directory()) is not None:
        try_out(folder, BEGUN)


def begin_in_child() -> None:
    """In a forked child, see that there is room for files like the parent's: the first value that
    is written makes them all. Raises OSError if there is none."""
    global _writer
    folder = directory()
    if os.getpid() == _writer or folder is None:
        return
    try_out(folder, sum(reserved(first) for first in _first.values()) or BEGUN)
    _writer = os.getpid()


def drop_dead_workers(folder: Path) -> None:
    """Take the live gauges of processes that have ended out of the sums.

    As `prometheus_client` asks of whoever sees a worker end, which not every server lets one do.
    Process ids mean nothing between machines or containers; neither may share such a directory.
    """
    for path in folder.glob("gauge_live*.db"):
        process = path.stem.rpartition("_")[2]
        if process.isdecimal() and not alive(int(process)):
            try:
                mark_process_dead(int(process), folder)  # type: ignore[no-untyped-call]
            except FileNotFoundError:  # another worker did it
                continue


def alive(process: int) -> bool:
    """Whether a process is there; True where that cannot be known."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def say_once(text: str) -> None:
    if is_due(text):
        say(logging.ERROR, "%s; the app is not affected", text)
