"""A watch that tells what it was told to, and an app that shows it."""

import dataclasses
from typing import Any

from loopwatch import Frame, Histogram, Site, Snapshot, Stall, Watch
from loopwatch.ledger.profile import Profile
from loopwatch.records import SECONDS_EDGES, LoopReading, RequestReading

HOSTILE = "<img src=x onerror=\"document.title='owned'\"></script><b>&amp;'\u202e\x00\ud800"


class ToldWatch(Watch):
    """A watch whose readings are given."""

    def __init__(self, *stalls: Stall, **readings: Any) -> None:
        super().__init__(registry=None, otel=False, log=False)
        self.told, self.readings = stalls, readings

    @property
    def stalls(self) -> tuple[Stall, ...]:
        return self.told

    def flamegraph_folded(self) -> str:
        return self._profile().folded()

    def speedscope(self) -> dict[str, Any]:
        return self._profile().speedscope()

    def _profile(self) -> Profile:
        profile = Profile()
        for one in self.told:
            profile.add(one)
        return profile

    def snapshot(self) -> Snapshot:
        told: dict[str, Any] = {"stalls": self.told, "stall_count": len(self.told)}
        return dataclasses.replace(super().snapshot(), **(told | self.readings))


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
    )
    request = RequestReading(route=HOSTILE, method=HOSTILE, latency=lag, running=1.0, waiting=2.0)
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
    return ToldWatch(bad, version=HOSTILE, loops=(loop,), requests=(request,), dropped={HOSTILE: 3})
