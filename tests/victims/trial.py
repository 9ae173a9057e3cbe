"""One trial: the app under a real uvicorn, the slow service, the client, and all they wrote down.

A request is followed by its number through the logs of client, app and service. loopwatch's own
records bear no number: within a route they are taken in the order in which the requests ended.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from tests.conftest import CHECKOUT, clean_environment
from tests.ports import free_port
from tests.serving import Server, serve

from .disturbance import Disturbance
from .plan import WARM, Planned
from .recount import Ready, Request, Span, apart

CALM = 0.75  # share of the requests that nothing disturbed, in a calm trial
SETTLED = 2.0  # s after which every stall has its victims
SAME_END = 0.005  # s between the end of a request as the app and as loopwatch tells it
NEAR = 0.05  # s between the start of a stall and of the block that it is


@dataclass(frozen=True)
class Trial:
    """What was written down: by client, app and slow service, and by loopwatch."""

    requests: list[Request]
    recent: dict[int, dict[str, Any]]  # loopwatch's records by the number of the request
    stalls: dict[int, dict[str, Any]]  # by the number of the request that blocked
    blames: list[dict[str, Any]]
    without: list[dict[str, Any]]
    disturbance: Disturbance
    faults: list[str]  # records and stalls that are missing, or too many

    @property
    def undisturbed(self) -> float:
        """Share of the requests that are fit to be judged, warm-up included."""
        return sum(map(self.fit, self.requests)) / len(self.requests)

    @property
    def calm(self) -> bool:
        return self.undisturbed >= CALM

    def fit(self, request: Request) -> bool:
        """Return whether our processes had a CPU whenever something happened to a request."""
        moments = (request.sent, request.begun, request.ended, request.received)
        return not any(map(self.disturbance.touches, moments))

    def judged(self) -> Iterator[Request]:
        """Yield the requests that are fit to be judged, after the warm-up."""
        since = self.requests[0].sent + WARM
        for request in self.requests:
            if request.sent > since and request.number in self.recent and self.fit(request):
                yield request


def run(loop: str, load: list[Planned], twin: str = "") -> Trial:
    with (
        slow_service() as (echo, answers),
        serve("victims:app", loop, ECHO=str(echo), TWIN=twin) as server,
        Disturbance() as disturbance,
    ):
        log = drive(server, load)
        disturbance.stop()
        time.sleep(SETTLED)
        answers.seek(0)
        moments = dict(pair(line) for line in answers)
        return told(server, load, log, moments, disturbance)


def pair(line: str) -> tuple[int, float]:
    number, moment = line.split()
    return int(number), float(moment)


@contextmanager
def slow_service() -> Iterator[tuple[int, TextIO]]:
    """Run the slow service; return its port, and what it writes."""
    port = free_port()
    command = [sys.executable, "-m", "tests.victims.echo", str(port)]
    with tempfile.TemporaryFile("w+") as output:
        environment = clean_environment()
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=output)
        try:
            yield port, output
        finally:
            process.terminate()
            process.wait(timeout=20)


def drive(server: Server, load: list[Planned]) -> list[Any]:
    """Have the client send a load; return its log."""
    command = [sys.executable, "-m", "tests.victims.client", str(server.port)]
    options: dict[str, Any] = {"cwd": CHECKOUT, "env": clean_environment(), "text": True}
    given = json.dumps(load)
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True, **options)
    log: list[Any] = json.loads(done.stdout)
    failed = [entry for entry in log if entry[3] != 200]
    assert not failed, f"these requests failed: {failed}"
    return log


def told(
    server: Server,
    load: list[Planned],
    log: list[Any],
    answers: dict[int, float],
    disturbance: Disturbance,
) -> Trial:
    notes = {note["number"]: note for note in server.read("notes")}
    requests = [
        joined(load[number].route, number, sent, received, notes[number], answers)
        for number, sent, received, _ in sorted(log)
    ]
    unix, at = server.read("clocks")
    offset = unix - at
    recent, faults = matched(requests, server.read("recent"), offset)
    stalls, others = placed(requests, server.read("stalls"), offset)
    blames, without = server.read("blames"), server.read("without")
    return Trial(requests, recent, stalls, blames, without, disturbance, faults + others)


def joined(
    route: str,
    number: int,
    sent: float,
    received: float,
    note: dict[str, Any],
    answers: dict[int, float],
) -> Request:
    ready = [
        Ready(Span(answers[number] if since is None else since, until), how)
        for since, until, how in note["ready"]
    ]
    begun, ended = note["begun"], note["ended"]
    block = Span(*note["block"]) if "block" in note else None
    return Request(number, route, sent, received, begun, ended, apart(ready, ended), block)


def matched(
    requests: list[Request], records: list[dict[str, Any]], offset: float
) -> tuple[dict[int, dict[str, Any]], list[str]]:
    """Return loopwatch's records by number, and what has none or cannot be told whose it is."""
    ended: defaultdict[str, list[tuple[float, dict[str, Any]]]] = defaultdict(list)
    for record in records:
        ended[record["route"]].append((record["started_at"] + record["latency"] - offset, record))
    found: dict[int, dict[str, Any]] = {}
    faults = []
    for route in sorted({request.route for request in requests}):
        ours = sorted((r.ended, r.number) for r in requests if r.route == route)
        theirs = sorted(ended[route], key=lambda pair: pair[0])
        if len(ours) != len(theirs):
            faults.append(f"{route}: {len(theirs)} records of {len(ours)} requests")
            continue
        for (end, number), (their_end, record) in zip(ours, theirs, strict=True):
            found[number] = record
            if abs(end - their_end) > SAME_END:
                faults.append(f"{route} {number}: ended {their_end - end:+.4f} s from its true end")
    return found, faults


def placed(
    requests: list[Request], stalls: list[dict[str, Any]], offset: float
) -> tuple[dict[int, dict[str, Any]], list[str]]:
    """Return the stalls by the number of the request that blocked, and those of no block."""
    found: dict[int, dict[str, Any]] = {}
    faults = []
    blocks = {r.number: r.block for r in requests if r.block is not None}
    for stall in stalls:
        start = stall["started_at"] - offset
        near = [n for n, block in blocks.items() if abs(block.start - start) < NEAR]
        if len(near) == 1 and near[0] not in found:
            found[near[0]] = stall
        else:
            faults.append(
                f"a stall of no block: {stall['cause']} {stall['duration']:.3f} s {stall['route']} "
                f"{stall['site']['function']}"
            )
    missing = blocks.keys() - found.keys()
    return found, [*faults, *(f"no stall of block {number}" for number in sorted(missing))]
