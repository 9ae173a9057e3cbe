"""Reports made by hand: a whole one, and those at the edges of what a report can be."""

import dataclasses
from dataclasses import replace
from typing import Any

from loopwatch import Site
from loopwatch.core.record_types import NONE, Contributor
from loopwatch.tools.diagnose.report_records import (
    BusyRoute,
    FoldedStack,
    Generator,
    Knee,
    Load,
    PlannedRequest,
    Report,
    Target,
    Throughput,
    Verdict,
    VictimRoute,
)
from tests.tools.diagnose.made_estimates import loop_line, wait
from tests.tools.diagnose.report_parts import (
    SITE,
    STACK,
    culprit,
    distribution,
    mark,
    moments,
    route,
)


def report(**fields: Any) -> Report:
    """Return a report in which everything is there, unless other `fields` are given."""
    names = tuple(f"{frame.function}:{frame.line}" for frame in STACK)
    given: dict[str, Any] = {
        "schema": 1,
        "made_by": "0.2.0",
        "started_at": 1.8e9,
        "duration": 20.5,
        "verdict": Verdict(
            kind="blocked",
            text="`GET /users/{id}` waits for `/orders`: 92 % of its p99 is the loop held.",
            share=0.92,
            p99_now=0.512,
            p99_then=0.042,
        ),
        "target": Target(
            app="shop.main:app",
            url="http://127.0.0.1:8000",
            attached=False,
            loop="uvloop",
            layers=("ticks", "requests"),
            blind=("callbacks",),
            python="3.13.1",
            loopwatch="0.1.9",
        ),
        "load": Load(
            requests=(
                PlannedRequest(method="GET", path="/users/7", weight=6, route="/users/{id}"),
            ),
            rate=60.0,
            rate_end=60.0,
            duration=20.0,
            elapsed=19.9,
            interrupted=False,
            sent=1241,
            answered=1239,
            errors=7,
            reached=59.7,
            by_status={"200": 1234, "500": 5, "timeout": 2},
        ),
        "command": None,
        "generator": Generator(
            late_p50=0.0004,
            late_p99=0.0041,
            late_most=0.0161,
            cpu=0.18,
            connections=31,
            limit=900,
            unsent=0,
            complaints=(),
        ),
        "throughput": Throughput(
            served=58.6,
            loop_cost=0.0087,
            ceiling=114.9,
            utilization=0.51,
            busiest=(BusyRoute(route="/orders", method="POST", seconds=6.6, share=0.63),),
            knee=None,
        ),
        "routes": (route(), route("/orders", method="POST", requests=17)),
        "culprits": (culprit(),),
        "timeline": moments(),
        "stalls": tuple(mark(at=0.5 + n) for n in range(11)),
        "distributions": (distribution(),),
        "stacks": (
            FoldedStack(frames=names, seconds=4.6, site=SITE),
            FoldedStack(frames=(*names[:2], "shop.pay.now:3"), seconds=1.5, site="shop.pay.now"),
        ),
        "stall_count": 11,
        "dropped": {"route": 3},
        "notes": ("The live page did not answer 2 times: the timeline has gaps.",),
        "waits": (wait(), wait(place=Site("shop.api.ask"), resource="socket", peer="127.0.0.1:9")),
        "loop_lines": (loop_line(), loop_line(route=NONE, method=None, call="json.loads")),
        "loop_stacks": (
            FoldedStack(frames=(*names[:2], "shop.squares.total:8"), seconds=6.5, site=SITE),
            FoldedStack(frames=(*names[:2], "json.loads"), seconds=1.2, site=SITE),
        ),
    }
    return Report(**(given | fields))


def attached() -> Report:
    """Return the report of an app that was only watched, on a loop that does not tell much."""
    unseen: dict[str, Any] = {
        "client": None,
        "errors": None,
        "unexplained": None,
        "slowest": None,
        "typical": None,
    }
    whole = report()
    return replace(
        whole,
        target=replace(whole.target, app=None, attached=True, python=None),
        load=None,
        generator=None,
        throughput=replace(whole.throughput, utilization=None, loop_cost=None, ceiling=None),
        routes=(route(**unseen),),
        distributions=(distribution(client=()),),
        timeline=tuple(replace(m, utilization=None, rate=None, errors=None) for m in moments()),
    )


def nothing() -> Report:
    """Return the report of a measurement in which nothing happened."""
    return report(
        duration=0.0,
        verdict=Verdict(kind="not_enough_data", text="Not enough data: 0 requests."),
        throughput=Throughput(
            served=0.0, loop_cost=None, ceiling=None, utilization=None, busiest=(), knee=None
        ),
        **dict.fromkeys(("routes", "culprits", "timeline", "stalls", "distributions"), ()),
        **dict.fromkeys(("waits", "loop_lines", "loop_stacks"), ()),
        stacks=(),
        stall_count=0,
        dropped={},
        notes=(),
    )


def ramped(rate: float | None = 130.0) -> Report:
    whole = report()
    assert whole.load is not None
    knee = Knee(rate=rate, base=0.021, limit=0.068, rule="The median stays above it.")
    rising = tuple(
        replace(m, rate=10 + 9.5 * n, finished=round(min(10 + 9.5 * n, 130)), p50=0.02 + n**4 / 1e5)
        for n, m in enumerate(whole.timeline)
    )
    return replace(
        whole,
        load=replace(whole.load, rate=10.0, rate_end=200.0, interrupted=True),
        throughput=replace(whole.throughput, knee=knee),
        timeline=rising,
    )


def crowd(count: int = 256) -> Report:
    """Return a report of as many routes as there can be, and stalls nobody can place."""
    nowhere = culprit(
        site=Site(NONE),
        lines=(),
        cause="many_callbacks",
        route=None,
        method=None,
        coroutine=None,
        advice="",
        source=(),
        stack=(),
        contributors=(
            Contributor(coroutine="shop.tick", count=None, seconds=0.4),
            Contributor(coroutine="shop.tock", count=912, seconds=0.2),
        ),
        victim_routes=(VictimRoute(route=NONE, count=1, seconds=0.1),),
        predictions=(),
    )
    return report(
        routes=tuple(route(f"/many/{n}/{'long' * 40}", requests=1) for n in range(count)),
        culprits=(culprit(), *(replace(nowhere, count=n) for n in range(1, 20))),
        distributions=tuple(distribution(f"/many/{n}", requests=n) for n in range(count)),
        stalls=tuple(mark(0.05 * n, 0.12, route=None, line=0, site=NONE) for n in range(256)),
        stall_count=4000,
    )


def renamed(value: Any, name: str) -> Any:
    """Return a record with `name` for every text that an app could choose."""
    if isinstance(value, str):
        return name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kept = ("kind",)
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return replace(value, **{k: renamed(v, name) for k, v in fields.items() if k not in kept})
    if isinstance(value, tuple):
        return tuple(renamed(item, name) for item in value)
    if isinstance(value, dict):
        return dict.fromkeys([name], next(iter(value.values()), 0))
    return value
