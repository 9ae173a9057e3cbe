"""Recordings as Chrome trace events, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

One process has a track for each loop, with every step and poll, and tracks for stalls and garbage
collections. A second one, of the same process in truth, has a track for each request, with its four
parts. An arrow leads from the step that held the loop to each request that waited for it.

Moments are whole nanoseconds before they become the format's microseconds, so that slices that meet
do not overlap. Names are those of code and routes; nothing of a request itself is in here.
"""

from __future__ import annotations

import json
import os
import platform
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any

from loopwatch.core.breath import breathe
from loopwatch.core.causes import label
from loopwatch.core.record_types import NONE, Stall
from loopwatch.core.recording import RecordedRequest, RecordedStep, RecordedWait, Recording
from loopwatch.core.version import __version__
from loopwatch.exporters.request_track import Span, parts, running_total

STEPS = 100_000  # steps and polls in one trace: the latest
REQUESTS = 1_000  # tracks of requests in one trace
ARROWS = 10_000  # arrows in one trace
APART = 10_000_000  # no process and no thread of the system has so high a number
GAP = {"uvloop": "callbacks of the loop"}  # what ran between two steps
PATIENCE = 0.01  # s by which a stall may seem to have begun before a recording
SHORT = 1e-6  # s


class TraceEvents:
    """The events of one trace. `pid` is the process's, `stalls` those that it knows."""

    def __init__(
        self, recordings: Sequence[Recording], stalls: Iterable[Stall] = (), pid: int | None = None
    ) -> None:
        self._recordings, self._stalls = recordings, tuple(stalls)
        self._pid = os.getpid() if pid is None else pid
        self._zero = min((each.since for each in recordings), default=0.0)
        self._ids = count(1)
        self.left_out = {"steps": 0, "requests": 0, "arrows": 0}

    def written(self) -> Iterator[bytes]:
        """Return the file, piece by piece: JSON in ASCII."""
        yield b'{"displayTimeUnit":"ms","traceEvents":[\n'
        separator = ""
        for event in self.events():
            yield f"{separator}{event}".encode()
            separator = ",\n"
            breathe()
        yield f'\n],"otherData":{dumped(self._about())}}}\n'.encode()

    def events(self) -> Iterator[str]:
        """Return each event as JSON."""
        process, apart = self._pid, self._pid + APART
        yield named("process_name", process, 0, f"event loops of process {process}")
        yield named("process_name", apart, 0, f"requests of process {process}")
        for recording in self._recordings:
            yield from self._loop(recording, STEPS // len(self._recordings))

    def _about(self) -> dict[str, Any]:
        return {
            "version": f"loopwatch {__version__}",
            "python": platform.python_version(),
            "process": self._pid,
            "loops": [
                {
                    "loop": each.loop,
                    "thread": each.thread,
                    "since": each.unix + each.since,
                    "until": each.unix + each.until,
                    "cut": each.cut,
                }
                for each in self._recordings
            ],
            "left_out": self.left_out,
        }

    # ------------------------------------------------------------------ a loop

    def _loop(self, recording: Recording, most: int) -> Iterator[str]:
        yield from self._headings(recording)
        kept = Kept(recording, most)
        self.left_out["steps"] += kept.left_out
        named_requests = {request.serial: request for request in recording.requests}
        for step in kept.steps:
            yield self._step(recording, step, named_requests.get(step.request))
        for poll in kept.polls:
            yield self._slice(recording.native_id, "poll", "poll", poll.started, poll.ended)
        yield from self._stall_marks(recording)
        yield from self._pauses(recording)
        yield from self._requests(recording, kept)

    def _headings(self, recording: Recording) -> Iterator[str]:
        tid, thread = recording.native_id, recording.thread
        yield named("thread_name", self._pid, tid, f"{recording.loop} loop ({thread})")
        yield named("thread_name", self._pid, tid + APART, f"stalls of {thread}")
        if recording.pauses:
            yield named("thread_name", self._pid, tid + 2 * APART, "garbage collections")

    def _step(
        self, recording: Recording, step: RecordedStep, request: RecordedRequest | None
    ) -> str:
        name = step.name
        if step.kind == "gap":
            name = GAP.get(recording.loop, "between steps")
        elif step.kind == "request":
            name = title(request) if request is not None else "a request"
        args: dict[str, Any] = {"woken_by": step.wake} if step.wake else {}
        if step.request:
            args["request"] = step.request
            if request is not None:
                args["route"] = request.route
        name = name or "callback"
        return self._slice(recording.native_id, step.kind, name, step.started, step.ended, args)

    def _stall_marks(self, recording: Recording) -> Iterator[str]:
        for stall in self._stalls:
            began = stall.started_at - recording.unix
            if stall.thread != recording.thread or began < recording.since - PATIENCE:
                continue
            until = min(began + stall.duration, recording.until)
            args = {
                "cause": stall.cause,
                "route": stall.route or NONE,
                "line": f"{stall.site.file}:{stall.site.line}",
                "exact": stall.site.exact,
                "victims": stall.victims,
                "lost_request_seconds": round(stall.lost_request_seconds, 6),
                "advice": stall.advice,
            }
            tid = recording.native_id + APART
            yield self._slice(tid, "stall", stall.site.function, began, until, args)

    def _pauses(self, recording: Recording) -> Iterator[str]:
        for pause in recording.pauses:
            tid = recording.native_id + 2 * APART
            yield self._slice(tid, "pause", label("gc"), pause.started, pause.ended)

    # ------------------------------------------------------------------ requests

    def _requests(self, recording: Recording, kept: Kept) -> Iterator[str]:
        shown = chosen(recording, kept.since)
        self.left_out["requests"] += len(recording.requests) - len(shown)
        waits: defaultdict[int, list[RecordedWait]] = defaultdict(list)
        for wait in recording.waits:
            waits[wait.request].append(wait)
        steps: defaultdict[int, list[RecordedStep]] = defaultdict(list)
        for step in kept.steps:
            if step.request in shown:
                steps[step.request].append(step)
        for serial, request in shown.items():
            spans = parts(request, steps[serial], waits[serial], kept.since, recording.until)
            yield from self._track(recording, request, [*spans])
            yield from self._arrows(recording, request, waits[serial], kept.since)
            breathe()
        self.left_out["arrows"] += sum(len(w) for s, w in waits.items() if s not in shown)

    def _track(
        self, recording: Recording, request: RecordedRequest, spans: list[Span]
    ) -> Iterator[str]:
        apart, tid, name = self._pid + APART, request.serial, title(request)
        yield named("thread_name", apart, tid, f"{name} #{tid}")
        args = {"request": tid, "latency_ms": round(1e3 * request.latency, 3)}
        args |= running_total(request) if request.finished else {"in_flight": True}
        end = request.ended or recording.until
        yield self._slice(tid, "request", name, request.arrived, end, args, apart)
        for span in spans:
            yield self._slice(tid, "part", span.name, span.started, span.ended, {}, apart)

    def _arrows(
        self,
        recording: Recording,
        request: RecordedRequest,
        waits: Sequence[RecordedWait],
        since: float,
    ) -> Iterator[str]:
        """Draw arrows from steps to a request that waited for them: to the middle of its wait."""
        for wait in waits:
            number = next(self._ids)
            if wait.started < since or number > ARROWS:
                self.left_out["arrows"] += 1
                continue
            at = middle(wait, request, recording.until)
            flow = (
                '{{"ph":"{}","cat":"victim","name":"waited","id":{},"pid":{},"tid":{},"ts":{}{}}}'
            )
            start = self._moment(min(wait.started + SHORT, at))
            yield flow.format("s", number, self._pid, recording.native_id, start, "")
            end = self._moment(at), ',"bp":"e"'
            yield flow.format("f", number, self._pid + APART, request.serial, *end)

    # ------------------------------------------------------------------ the format

    def _ns(self, moment: float) -> int:
        return round(1e9 * (moment - self._zero))

    def _moment(self, moment: float) -> str:
        return microseconds(self._ns(moment))

    def _slice(
        self,
        tid: int,
        kind: str,
        name: str,
        started: float,
        ended: float,
        args: dict[str, Any] | None = None,
        pid: int | None = None,
    ) -> str:
        began = self._ns(started)
        took = max(0, self._ns(ended) - began)
        more = f',"args":{dumped(args)}' if args else ""
        return (
            f'{{"ph":"X","cat":"{kind}","name":{dumped(name)},"pid":{pid or self._pid},"tid":{tid},'
            f'"ts":{microseconds(began)},"dur":{microseconds(took)}{more}}}'
        )


class Kept:
    """The latest steps and polls of a recording, `most` of them, and since when they are all."""

    def __init__(self, recording: Recording, most: int) -> None:
        steps, polls = recording.steps, [p for p in recording.polls if p.ended > p.started]
        self.left_out = max(0, len(steps) + len(polls) - most)
        self.since = recording.since
        if self.left_out:
            moments = sorted([s.started for s in steps] + [p.started for p in polls])
            self.since = moments[-most]
        self.steps = steps[bisect_left(steps, self.since, key=lambda step: step.started) :]
        self.polls = polls[bisect_left(polls, self.since, key=lambda poll: poll.started) :]


def chosen(recording: Recording, since: float) -> dict[int, RecordedRequest]:
    """Return the requests that get a track, by serial number: culprits and victims, then the
    slowest."""
    present = [r for r in recording.requests if not r.ended or r.ended >= since]
    told = {wait.request for wait in recording.waits} | {wait.culprit for wait in recording.waits}
    ranked = sorted(present, key=lambda r: (r.serial not in told, -r.latency))
    return {r.serial: r for r in sorted(ranked[:REQUESTS], key=lambda r: r.arrived)}


def middle(wait: RecordedWait, request: RecordedRequest, until: float) -> float:
    """Return the middle of a wait, within the time of the request that waited."""
    began, ended = wait.ended - wait.seconds, wait.ended
    if wait.queued:
        began, ended = request.arrived, min(ended, request.started)
    at = (max(began, wait.started) + ended) / 2
    return min(max(at, request.arrived), request.ended or until)


def title(request: RecordedRequest) -> str:
    return f"{request.method} {request.route}"


def named(kind: str, pid: int, tid: int, name: str) -> str:
    text = dumped(name)
    return f'{{"ph":"M","name":"{kind}","pid":{pid},"tid":{tid},"args":{{"name":{text}}}}}'


def microseconds(ns: int) -> str:
    sign = "-" if ns < 0 else ""
    return f"{sign}{abs(ns) // 1000}.{abs(ns) % 1000:03d}"


def dumped(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
