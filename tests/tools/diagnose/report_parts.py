"""Parts of a report made by hand: a route, a culprit, moments, a distribution."""

from typing import Any

from loopwatch import Frame, Site
from loopwatch.core.quantiles import Quantiles
from loopwatch.core.tails import AT, Parts, Tail, TailBlame
from loopwatch.tools.diagnose.estimate_records import Prediction
from loopwatch.tools.diagnose.report_records import (
    Culprit,
    CulpritLine,
    Distribution,
    Moment,
    RouteReport,
    SourceLine,
    StallMark,
    VictimRoute,
)

SITE = "shop.orders.total"
NOW, THEN = Quantiles(0.021, 0.301, 0.512), Quantiles(0.019, 0.033, 0.042)
SERVER = (
    Frame("server.serve", "/srv/site-packages/server/main.py", 9),
    Frame("web.routing.Router.app", "/srv/site-packages/web/routing.py", 77),
)
STACK = (*SERVER, Frame(SITE, "/app/shop/orders.py", 21))


def tail(latency: float, stalled: float) -> Tail:
    parts = Parts(queued=0.01, running=0.002, stalled=stalled, waiting=latency - stalled - 0.012)
    blame = TailBlame(site=SITE, route="/orders", seconds=stalled)
    return Tail(requests=3, latency=latency, parts=parts, blames=(blame,))


def route(name: str = "/users/{id}", **fields: Any) -> RouteReport:
    given: dict[str, Any] = {
        "method": "GET",
        "requests": 1234,
        "errors": 7,
        "client": Quantiles(0.023, 0.303, 0.514),
        "server": NOW,
        "sampled": 1000,
        "parts": Parts(queued=0.0111, running=0.0022, stalled=0.0333, waiting=0.0444),
        "unexplained": 0.0055,
        "slowest": tail(0.487, 0.4),
        "typical": tail(0.0222, 0.0),
        "threadpool": 0.0035,
        "loop_cost": 0.0026,
        "ceiling": 384.6,
        "lost": 41.5,
    }
    return RouteReport(route=name, **(given | fields))


def culprit(**fields: Any) -> Culprit:
    given: dict[str, Any] = {
        "site": Site(SITE, "/app/shop/orders.py", 21, "requests.get(url)"),
        "lines": (
            CulpritLine(
                file="/app/shop/orders.py",
                line=21,
                code="requests.get(url)",
                exact=True,
                count=9,
                seconds=4.4,
            ),
            CulpritLine(
                file="/app/shop/orders.py",
                line=23,
                code="time.sleep(1)",
                exact=False,
                count=2,
                seconds=1.6,
            ),
        ),
        "cause": "blocking_call",
        "route": "/orders",
        "method": "POST",
        "coroutine": SITE,
        "advice": "Use httpx.AsyncClient, and await the same call.",
        "source": tuple(
            SourceLine(number=number, text=text)
            for number, text in (
                (20, "async def total():"),
                (21, "\tprice = requests.get(url)"),
                (22, "\treturn price"),
            )
        ),
        "stack": STACK,
        "contributors": (),
        "count": 11,
        "seconds": 6.1,
        "longest": 0.777,
        "lost": 41.5,
        "victims": 88,
        "victim_routes": (VictimRoute(route="/users/{id}", count=77, seconds=40.4),),
        "predictions": (
            Prediction(route="/users/{id}", method="GET", requests=1000, now=NOW, then=THEN),
        ),
    }
    return Culprit(**(given | fields))


def moments(count: int = 20) -> tuple[Moment, ...]:
    return tuple(
        Moment(
            at=float(n + 1),
            seconds=1.0,
            lag_p99=None if n == 5 else 0.01 * (n + 1),
            utilization=0.04 * n,
            p50=0.02,
            p99=0.3 + 0.01 * n,
            finished=60,
            errors=0,
            rate=60.0,
            stalls=n % 2,
        )
        for n in range(count)
    )


def mark(at: float, duration: float = 0.25, **fields: Any) -> StallMark:
    given: dict[str, Any] = {"site": SITE, "line": 21, "route": "/orders", "cause": "blocking_call"}
    return StallMark(at=at, duration=duration, **(given | fields))


def latencies(least: float, most: float) -> tuple[float, ...]:
    steps = len(AT) - 1
    return tuple(least * (most / least) ** ((n / steps) ** 4) for n in range(len(AT)))


def distribution(name: str = "/users/{id}", **fields: Any) -> Distribution:
    given: dict[str, Any] = {
        "method": "GET",
        "requests": 1000,
        "at": AT,
        "now": latencies(0.018, 0.6),
        "without_top": latencies(0.018, 0.05),
        "without_all": latencies(0.017, 0.04),
        "top": SITE,
        "client": latencies(0.02, 0.62),
    }
    return Distribution(route=name, **(given | fields))
