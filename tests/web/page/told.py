"""A watch that tells what it was told to, and an app that shows it."""

import dataclasses
from array import array
from collections.abc import Mapping
from typing import Any

from loopwatch import Frame, Histogram, Site, Snapshot, Stall, Watch
from loopwatch.core.histogram import SECONDS_EDGES
from loopwatch.core.recent import PARTS, Blame, Recent
from loopwatch.core.record_types import (
    BlameReading,
    Holder,
    LoopReading,
    LoopTimeReading,
    RequestInFlight,
    RequestReading,
    SiteReading,
    WaitReading,
)
from loopwatch.ledger.loop_time_table import LoopTimeTable
from loopwatch.ledger.profile import Profile

HOSTILE = "<img src=x onerror=\"document.title='owned'\"></script><b>&amp;'\u202e\x00\ud800"


class ToldWatch(Watch):
    """A watch whose readings are given."""

    def __init__(self, *stalls: Stall, **readings: Any) -> None:
        super().__init__(registry=None, otel=False, log=False)
        self.told, self.readings = stalls, readings
        self.in_flight: tuple[RequestInFlight, ...] = ()

    @property
    def stalls(self) -> tuple[Stall, ...]:
        return self.told

    def requests_in_flight(self, limit: int = 100) -> tuple[RequestInFlight, ...]:
        return self.in_flight[:limit]

    def _profile(self, of: str) -> Profile | LoopTimeTable:
        if of != "stalls":
            return super()._profile(of)
        profile = Profile()
        for one in self.told:
            profile.add(one)
        return profile

    def snapshot(self, *, recent: bool = True) -> Snapshot:
        told: dict[str, Any] = {"stalls": self.told, "stall_count": len(self.told)}
        return dataclasses.replace(super().snapshot(recent=recent), **(told | self.readings))


def stall(name: str = "shop.bad", duration: float = 0.25, **fields: Any) -> Stall:
    given: dict[str, Any] = {
        "started_at": 1.8e9,
        "cause": "blocking_call",
        "route": "/bad/{id}",
        "method": "GET",
        "coroutine": name,
        "site": Site(name, "/app/shop.py", 21, "time.sleep(0.25)"),
        "stack": (Frame("server.serve", "/srv/server.py", 9), Frame(name, "/app/shop.py", 21)),
        "thread": "MainThread",
    }
    return Stall(duration=duration, **(given | fields))


def request(
    route: str = "/good",
    latencies: tuple[float, ...] = (),
    waits: Mapping[str, float] | None = None,
    method: str = "GET",
    parts: Mapping[str, float] | None = None,
) -> RequestReading:
    """Return a route's reading; all of its requests have waited for the sites that `waits` has."""
    blames = tuple(
        Blame(site=site, route="/bad/{id}", seconds=held, least=held, most=held, after=0.0)
        for site, held in (waits or {}).items()
    )
    numbers = array("d")
    for seconds in latencies:
        numbers.extend((1.8e9, seconds, *(0.0,) * (PARTS - 2)))
    places = ((place, blames) for place in range(len(latencies)) if blames)
    latency = Histogram.of_first(SECONDS_EDGES, len(latencies), sum(latencies))
    recent = Recent(numbers.tobytes(), 0.0, tuple(places))
    given = {"running": 0.0, "waiting": 0.0, **(parts or {})}
    return RequestReading(route=route, method=method, latency=latency, recent=recent, **given)


def blame(victim: str, seconds: float, site: str = "shop.bad", count: int = 3) -> BlameReading:
    return BlameReading(
        site=site, culprit_route="/bad/{id}", victim_route=victim, count=count, seconds=seconds
    )


POOL = Site("shop.query", "/app/shop/db.py", 5, "async with pool:")


def wait(route: str = "/q", **fields: Any) -> WaitReading:
    held = Site("shop.query", "/app/shop/db.py", 6, "await asyncio.sleep(0.05)")
    given: dict[str, Any] = {
        "place": POOL,
        "call": "asyncio.locks.Semaphore.acquire",
        "resource": "semaphore",
        "seconds": 18.0,
        "looks": 180,
        "waiting": 17,
        "most_waiting": 19,
        "holders": (Holder(task="shop.q", site=held, route=route, seconds=0.045),) * 2,
    }
    return WaitReading(route=route, **(given | fields))


def loop_time(route: str = "/report", **fields: Any) -> LoopTimeReading:
    site = Site("shop.squares.total", "/app/shop/squares.py", 8, "total += n * n")
    outer = (Frame("server.serve", "/srv/server.py", 9), Frame("shop.report", "/app/shop.py", 3))
    given: dict[str, Any] = {
        "site": site,
        "stack": (*outer, Frame(site.function, site.file, site.line)),
        "seconds": 6.1,
        "samples": 122,
    }
    return LoopTimeReading(route=route, **(given | fields))


def in_flight(route: str = "/q", age: float = 1.5, **fields: Any) -> RequestInFlight:
    given: dict[str, Any] = {
        "method": "GET",
        "queued": 0.25,
        "running": 0.25,
        "stalled": 0.0,
        "waiting": age - 0.5,
        "place": POOL,
        "call": "asyncio.locks.Semaphore.acquire",
        "resource": "semaphore",
    }
    return RequestInFlight(route=route, age=age, **(given | fields))


def loop_reading(busy: float, idle: float, *lags: int) -> LoopReading:
    """Return an asyncio loop's reading; its lag has that many observations by bucket."""
    counts = (*lags, *(0,) * (len(SECONDS_EDGES) + 1 - len(lags)))
    return LoopReading(
        loop="asyncio",
        thread="MainThread",
        layers=("ticks",),
        blind=(),
        busy=busy,
        idle=idle,
        lag=Histogram(SECONDS_EDGES, counts, (0.0,) * len(counts)),
        tasks=3,
    )


def full_watch() -> ToldWatch:
    """Return one with as much of everything as a watch can have."""
    sites = [f"shop.module_{i}.Service.handle_{i}" for i in range(64)]
    routes = [f"/api/v1/things/{{thing_id}}/parts_{i}" for i in range(256)]
    counts = tuple(range(100_000, 100_014))
    latency = Histogram(SECONDS_EDGES, counts, tuple(1.25 * i for i in range(14)))
    outer = tuple(Frame(f"server.layer_{i}.call", f"/srv/layer_{i}.py", i) for i in range(60))
    stalls = (
        stall(
            sites[i % 64],
            0.1 + i / 1000,
            started_at=1.8e9 + i,
            route=routes[i],
            site=Site(sites[i % 64], f"/app/module_{i % 64}.py", i, "time.sleep(0.25)"),
            stack=(*outer[: i % 60], Frame(sites[i % 64], f"/app/module_{i % 64}.py", i)),
            victims=i,
            lost_request_seconds=i / 3,
        )
        for i in range(256)
    )
    parts = {"queued": 1.0, "stalled": 2.0, "running": 3.0, "waiting": 4.0}
    return ToldWatch(
        *stalls,
        loops=(dataclasses.replace(loop_reading(1.0, 2.0), lag=latency),),
        requests=tuple(
            dataclasses.replace(request(route, parts=parts), latency=latency) for route in routes
        ),
        blames=tuple(
            dataclasses.replace(
                blame(routes[i * 7 % 256], 2000.0 - i, sites[i % 64], i + 1),
                culprit_route=routes[i % 256],
            )
            for i in range(1024)
        ),
        sites=tuple(
            SiteReading(route=routes[i % 256], site=sites[i % 64], cause="cpu", stalls=latency)
            for i in range(1024)
        ),
        steps=tuple((f"shop.step_{i}", latency) for i in range(256)),
    )


def hostile_watch() -> ToldWatch:
    """Return a watch every name of which is markup."""
    lag = Histogram(SECONDS_EDGES, (9,) + (0,) * 13, (0.001,) + (0.0,) * 13)
    bad = stall(
        HOSTILE,
        cause=HOSTILE,
        route=HOSTILE,
        method=HOSTILE,
        site=Site(HOSTILE, HOSTILE, 21, HOSTILE),
        stack=(Frame(HOSTILE, HOSTILE, 21),),
        thread=HOSTILE,
        advice=HOSTILE,
        trace_id=HOSTILE,
        victims=1,
        lost_request_seconds=0.5,
    )
    victim = request(HOSTILE, (1.0,), {HOSTILE: 0.5}, HOSTILE, {"running": 1.0})
    paid = BlameReading(
        site=HOSTILE, culprit_route=HOSTILE, victim_route=HOSTILE, count=1, seconds=0.5
    )
    loop = LoopReading(
        loop=HOSTILE,
        thread=HOSTILE,
        layers=(HOSTILE,),
        blind=(HOSTILE,),
        busy=1.0,
        idle=2.0,
        lag=lag,
        tasks=3,
    )
    place = Site(HOSTILE, HOSTILE, 5, HOSTILE)
    names: dict[str, Any] = {"call": HOSTILE, "resource": HOSTILE}
    holder = Holder(task=HOSTILE, site=place, route=HOSTILE)
    waits = wait(HOSTILE, place=place, peer=HOSTILE, holders=(holder,), **names)
    lines = loop_time(HOSTILE, site=place, call=HOSTILE, stack=(Frame(HOSTILE, HOSTILE, 5),))
    watch = ToldWatch(
        bad,
        version=HOSTILE,
        loops=(loop,),
        requests=(victim,),
        blames=(paid,),
        dropped={HOSTILE: 3},
        waits=(waits,),
        loop_time=(lines,),
    )
    watch.in_flight = (in_flight(HOSTILE, method=HOSTILE, place=place, **names),)
    return watch
