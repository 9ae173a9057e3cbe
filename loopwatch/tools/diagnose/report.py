"""The report, put together from a measurement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf

from loopwatch.core.recent import RECENT
from loopwatch.core.record_types import Stall
from loopwatch.core.version import __version__
from loopwatch.tools.diagnose.concurrency import Concurrency, concurrency
from loopwatch.tools.diagnose.culprits import culprits
from loopwatch.tools.diagnose.findings import Findings
from loopwatch.tools.diagnose.generator import LATE, generator
from loopwatch.tools.diagnose.loop_lines import loop_lines, loop_stacks
from loopwatch.tools.diagnose.measurement import Measurement, Sent
from loopwatch.tools.diagnose.outside_verdict import outside_verdict
from loopwatch.tools.diagnose.report_records import (
    SCHEMA,
    Generator,
    Load,
    PlannedRequest,
    Report,
    RouteReport,
    Target,
)
from loopwatch.tools.diagnose.routes import distributions, routes, samples
from loopwatch.tools.diagnose.throughput import throughput
from loopwatch.tools.diagnose.timeline import marks, stacks, timeline
from loopwatch.tools.diagnose.verdict import verdict
from loopwatch.tools.diagnose.wait_places import wait_places
from loopwatch.tools.diagnose.wording import ms, routed

BEYOND = 0.010  # s: from this mean on, latency that the server did not see gets a note
LEAST_LOST = {"log": inf, "budget": inf, "looks": 10}  # that a report mentions; else 1


def report(measured: Measurement) -> Report:
    """Return the whole report; its notes list what is unknown."""
    paid, blamed, served = routes(measured), culprits(measured), throughput(measured)
    waits, filled = wait_places(measured, paid), loop_lines(measured)
    load = load_report(measured.sent) if measured.sent is not None else None
    health = generator(measured.sent) if measured.sent is not None else None
    findings = Findings(
        seconds=measured.seconds,
        routes=paid,
        culprits=blamed,
        throughput=served,
        load=load,
        generator=health,
        without_cpu=without_cpu(measured.stalls),
        concurrency=through(measured),
        waits=waits,
        loop_lines=filled,
    )
    return Report(
        schema=SCHEMA,
        made_by=__version__,
        started_at=measured.began + measured.to_unix,
        duration=measured.seconds,
        verdict=outside_verdict(measured.seconds, blamed, served)
        if measured.outside
        else verdict(findings),
        target=target(measured),
        load=load,
        command=measured.command,
        generator=health,
        throughput=served,
        routes=paid,
        culprits=blamed,
        timeline=timeline(measured),
        stalls=marks(measured),
        distributions=distributions(measured),
        stacks=stacks(measured),
        stall_count=measured.change.stall_count,
        dropped=lost(measured),
        notes=(*notes(measured, paid), *lateness(health)),
        waits=waits,
        loop_lines=filled,
        loop_stacks=loop_stacks(measured),
    )


def without_cpu(stalls: Sequence[Stall]) -> float | None:
    """Return for how long starved stalls were not on a CPU, s; None where that is unknown."""
    starved = [s for s in stalls if s.cause == "starved"]
    if not starved or any(s.cpu_seconds is None for s in starved):
        return None
    return sum(max(0.0, s.duration - (s.cpu_seconds or 0.0)) for s in starved)


def through(measured: Measurement) -> Mapping[tuple[str, str], Concurrency]:
    """Return how the requests of each route got through, as our own clients measured it."""
    found = ((name, concurrency(seen)) for name, seen in samples(measured).items())
    return {name: one for name, one in found if one is not None}


def target(measured: Measurement) -> Target:
    loops = measured.change.loops
    return Target(
        app=measured.app,
        url=measured.url,
        attached=measured.app is None,
        outside=bool(measured.outside),
        loop=", ".join(dict.fromkeys(loop.loop for loop in loops)),
        layers=loops[0].layers if loops else (),
        blind=loops[0].blind if loops else (),
        python=measured.tails.python if measured.tails is not None else None,
        loopwatch=measured.change.version,
    )


def load_report(sent: Sent) -> Load:
    plan, tally = sent.plan, sent.tally
    done = len(tally.samples)
    return Load(
        requests=tuple(
            PlannedRequest(
                method=shot.method,
                path=shot.path.partition("?")[0],
                weight=shot.weight,
                route=sent.routes.get(kind),
            )
            for kind, shot in enumerate(plan.shots)
        ),
        rate=plan.rate,
        rate_end=plan.rate_end,
        duration=plan.duration,
        elapsed=tally.elapsed,
        interrupted=tally.interrupted,
        sent=done,
        answered=sum(sample.outcome.isdigit() for sample in tally.samples),
        errors=tally.errors,
        reached=(done - 1) / tally.elapsed if tally.elapsed > 0 else 0.0,
        by_status=tally.by_status(),
    )


def lost(measured: Measurement) -> Mapping[str, int]:
    """Return what loopwatch could not keep; of log messages and the CPU budget others tell, and a
    few looks of some hundred change nothing."""
    dropped = measured.change.dropped.items()
    return {reason: n for reason, n in dropped if n >= LEAST_LOST.get(reason, 1)}


def notes(measured: Measurement, paid: tuple[RouteReport, ...]) -> Iterator[str]:
    """Yield what the report does not know, and why."""
    if measured.ended is not None:
        yield f"The app ended during the measurement: {measured.ended}"
    yield from measured.outside
    if measured.ended is None and not measured.outside and measured.tails is None:
        yield (
            "The app's loopwatch has no tails.json: there are no predictions, and the percentiles "
            "are estimated from histograms. Upgrade loopwatch there."
        )
    if measured.command is not None and measured.command.exit_code:
        yield f"{measured.command.program} ended with exit code {measured.command.exit_code}."
    if measured.missed:
        yield f"The live page did not answer {measured.missed} times: the timeline has gaps."
    if (timed := measured.change.dropped.get("budget", 0)) > 0:
        yield (
            f"{timed} stalls were timed but not explained: loopwatch had spent its CPU budget. "
            "Raise cpu_budget for a measurement, LOOPWATCH_CPU_BUDGET=1."
        )
    for route in paid:
        if RECENT <= route.sampled < route.requests:
            yield (
                f"For {routed(route.route)}, predictions and the slowest requests come from the "
                f"latest {route.sampled} of {route.requests} requests."
            )
    for route in paid:
        if route.unexplained is not None and route.unexplained >= BEYOND:
            yield (
                f"Clients waited {ms(route.unexplained)} a request to {routed(route.route)} beyond "
                "what the server saw: connections, network, or the client itself."
            )
    if measured.sent is not None:
        for kind, shot in enumerate(measured.sent.plan.shots):
            if measured.sent.routes.get(kind) is None:
                path = shot.path.partition("?")[0]
                yield f"{shot.method} {path} matches no route that the app reports."


def lateness(health: Generator | None) -> Iterator[str]:
    """Yield how late requests were sent, if that is much, but little of what they took."""
    if health is not None and health.late_p99 >= LATE and not health.complaints:
        yield (
            f"Some requests were sent late, up to {ms(health.late_p99)} (p99): little of what "
            "those requests took."
        )
