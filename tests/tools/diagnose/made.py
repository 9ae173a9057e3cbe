"""Made-up pieces of a diagnosis: each with what a test does not say filled in."""

from typing import Any

from loopwatch.core.histogram import SECONDS_EDGES, Histogram
from loopwatch.core.quantiles import Quantiles
from loopwatch.core.record_types import (
    BlameReading,
    LoopReading,
    RequestReading,
    Site,
    SiteReading,
    Snapshot,
    Stall,
    ThreadPoolReading,
)
from loopwatch.core.tails import Parts, Tail, TailBlame
from loopwatch.tools.diagnose.estimate_records import Prediction
from loopwatch.tools.diagnose.findings import Findings
from loopwatch.tools.diagnose.measurement import Measurement, Sent
from loopwatch.tools.diagnose.plan import Plan, Shot
from loopwatch.tools.diagnose.report_records import (
    SCHEMA,
    Culprit,
    Generator,
    Load,
    Report,
    RouteReport,
    Target,
    Throughput,
    Verdict,
)
from loopwatch.tools.diagnose.samples import Sample, Tally
from loopwatch.tools.diagnose.watching import Reading

SITE = Site("shop.bad", "/app/shop.py", 23, "time.sleep(0.5)")


def histogram(count: int, value: float = 0.02) -> Histogram:
    """Return one with `count` times one value, s."""
    place = sum(value > edge for edge in SECONDS_EDGES)
    counts = [0] * (len(SECONDS_EDGES) + 1)
    sums = [0.0] * len(counts)
    counts[place], sums[place] = count, count * value
    return Histogram(SECONDS_EDGES, tuple(counts), tuple(sums))


def parts(**given: float) -> Parts:
    return Parts(**({"queued": 0.0, "running": 0.0, "stalled": 0.0, "waiting": 0.0} | given))


def tail(latency: float, held: float = 0.0, site: str = SITE.function) -> Tail:
    blames = (TailBlame(site=site, route="/bad", seconds=held),) if held else ()
    return Tail(
        requests=1,
        latency=latency,
        parts=parts(queued=held, waiting=latency - held),
        blames=blames,
    )


def route(name: str = "/good", **given: Any) -> RouteReport:
    fields: dict[str, Any] = {
        "route": name,
        "method": "GET",
        "requests": 100,
        "errors": 0,
        "sent": 100,
        "client": Quantiles(0.01, 0.02, 0.03),
        "server": Quantiles(0.01, 0.02, 0.03),
        "sampled": 100,
        "parts": parts(running=0.001, waiting=0.009),
        "unexplained": 0.0,
        "slowest": tail(0.03),
        "typical": tail(0.01),
        "threadpool": 0.0,
        "loop_cost": 0.001,
        "ceiling": 1000.0,
        "lost": 0.0,
    }
    return RouteReport(**(fields | given))


def prediction(now: float, then: float, name: str = "/good") -> Prediction:
    return Prediction(
        route=name,
        method="GET",
        requests=100,
        now=Quantiles(now, now, now),
        then=Quantiles(then, then, then),
    )


def culprit(**given: Any) -> Culprit:
    fields: dict[str, Any] = {
        "site": SITE,
        "lines": (),
        "cause": "blocking_call",
        "route": "/bad",
        "method": "GET",
        "coroutine": "shop.bad",
        "advice": "Use await asyncio.sleep(...).",
        "source": (),
        "stack": (),
        "contributors": (),
        "count": 10,
        "seconds": 5.0,
        "longest": 0.5,
        "lost": 20.0,
        "victims": 40,
        "victim_routes": (),
        "predictions": (),
    }
    return Culprit(**(fields | given))


def throughput(**given: Any) -> Throughput:
    fields: dict[str, Any] = {
        "served": 40.0,
        "loop_cost": 0.001,
        "ceiling": 1000.0,
        "utilization": 0.1,
        "busiest": (),
        "knee": None,
    }
    return Throughput(**(fields | given))


def generator(**given: Any) -> Generator:
    fields: dict[str, Any] = {
        "late_p50": 0.0,
        "late_p99": 0.001,
        "late_most": 0.002,
        "cpu": 0.1,
        "connections": 4,
        "limit": 900,
        "unsent": 0,
        "complaints": (),
    }
    return Generator(**(fields | given))


def load(**given: Any) -> Load:
    fields: dict[str, Any] = {
        "requests": (),
        "rate": 40.0,
        "rate_end": 40.0,
        "duration": 10.0,
        "elapsed": 10.0,
        "interrupted": False,
        "sent": 400,
        "answered": 400,
        "errors": 0,
        "reached": 40.0,
        "by_status": {"200": 400},
    }
    return Load(**(fields | given))


def findings(**given: Any) -> Findings:
    fields: dict[str, Any] = {
        "seconds": 10.0,
        "routes": (route(),),
        "culprits": (),
        "throughput": throughput(),
        "load": load(),
        "generator": generator(),
    }
    return Findings(**(fields | given))


def report(**given: Any) -> Report:
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "made_by": "0",
        "started_at": 1.8e9,
        "duration": 10.0,
        "verdict": Verdict(kind="waiting", text="No stalls."),
        "target": Target(
            app="shop:app",
            url="http://127.0.0.1:1",
            attached=False,
            loop="asyncio",
            layers=(),
            blind=(),
            python="3.11.7",
            loopwatch="0",
        ),
        "load": load(),
        "command": None,
        "generator": generator(),
        "throughput": throughput(),
        "routes": (route(),),
        "culprits": (),
        "timeline": (),
        "stalls": (),
        "distributions": (),
        "stacks": (),
        "stall_count": 0,
        "dropped": {},
        "notes": (),
    }
    return Report(**(fields | given))


def requests(name: str, count: int, **given: Any) -> RequestReading:
    fields: dict[str, Any] = {"latency": histogram(count), "running": 0.001 * count}
    fields["waiting"] = 0.019 * count
    return RequestReading(route=name, method=given.pop("method", "GET"), **(fields | given))


def site(count: int, seconds: float = 0.5, **given: Any) -> SiteReading:
    fields: dict[str, Any] = {"route": "/bad", "site": SITE.function, "cause": "blocking_call"}
    return SiteReading(stalls=histogram(count, seconds), **(fields | given))


def blame(seconds: float, victim: str = "/good", count: int = 10) -> BlameReading:
    return BlameReading(
        site=SITE.function, culprit_route="/bad", victim_route=victim, count=count, seconds=seconds
    )


def stall(at: float, duration: float = 0.5, **given: Any) -> Stall:
    fields: dict[str, Any] = {"cause": "blocking_call", "route": "/bad", "method": "GET"}
    return Stall(started_at=at, duration=duration, **({"site": SITE} | fields | given))


def snapshot(at: float = 1000.0, **given: Any) -> Snapshot:
    loop = LoopReading(
        loop="asyncio",
        thread="MainThread",
        layers=("steps",),
        blind=(),
        busy=given.get("busy", 0.0),
        idle=given.get("idle", 0.0),
        lag=histogram(0),
        tasks=1,
    )
    fields: dict[str, Any] = {
        "taken_at": at,
        "version": "0",
        "loops": (loop,),
        "requests": (),
        "steps": (),
        "timed": (),
        "sites": (),
        "gc_pauses": (),
        "threadpool": ThreadPoolReading(),
        "stalls": (),
        "stall_count": 0,
        "busy": 0.0,
        "idle": 0.0,
        "lag": histogram(0),
        "self_seconds": 0.0,
        "dropped": {},
    }
    return Snapshot(**(fields | given))


def plan(*paths: str, rate: float = 10.0, rate_end: float = 0.0, duration: float = 10.0) -> Plan:
    shots = tuple(Shot(method="GET", path=path, headers={}) for path in paths or ("/good",))
    return Plan(shots=shots, rate=rate, rate_end=rate_end or rate, duration=duration)


def sent(samples: list[Sample], made: Plan, **given: Any) -> Sent:
    tally = Tally(samples, due=len(samples), elapsed=made.duration, limit=900)
    for name in given.keys() & {"cpu", "most_in_flight", "due"}:
        setattr(tally, name, given.pop(name))
    routes = {kind: shot.path.partition("?")[0] for kind, shot in enumerate(made.shots)}
    return Sent(plan=made, tally=tally, began=100.0, routes=given.get("routes", routes))


def measurement(*snapshots: Snapshot, **given: Any) -> Measurement:
    """Return one with a reading of each snapshot, 1 s apart, the first at 100 on our clock."""
    readings = tuple(Reading(100.0 + n, one) for n, one in enumerate(snapshots or (snapshot(),)))
    fields: dict[str, Any] = {
        "app": "shop:app",
        "url": "http://127.0.0.1:1",
        "source_readable": False,
        "readings": readings,
        "until": readings[-1].at,
        "change": readings[-1].snapshot,
        "stalls": (),
        "tails": None,
        "missed": 0,
        "ended": None,
        "sent": None,
        "command": None,
    }
    return Measurement(**(fields | given))
