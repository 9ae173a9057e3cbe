"""The difference between two readings of a live page.

Counters only grow. If one has shrunk, another process answers, and its reading stands alone: it
shows everything since its watch began.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from loopwatch.core.histogram import Histogram
from loopwatch.core.record_types import NONE
from loopwatch.tools.cli.command_error import CommandError

LAG_SECONDS = 0.01  # one observation of lag stands for this much time
PARTS = ("queued", "running", "stalled", "waiting")

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """The known stalls of one site and route since the watch began."""

    site: str
    route: str
    cause: str  # the one that held the loop longest
    stalls: int
    held: float  # s
    victims: int
    lost: float  # request-seconds
    active: bool = False  # since the last reading it stalled, or made a request wait
    place: str = ""  # file:line of the latest kept stall
    call: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The requests of one route and method between two readings."""

    route: str
    method: str
    rate: float  # finished requests a second
    whole: int  # requests since the watch began
    p50: float | None  # s; None: no request
    p99: float | None
    parts: tuple[float, ...]  # s a request, as PARTS
    loop_cost: float | None  # s of the loop a request


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that is shown of one reading, compared with the one before."""

    version: str
    loops: tuple[str, ...]
    uptime: float  # s since the watch began with the oldest of the loops
    seconds: float  # s between the readings; `uptime` where it stands alone
    alone: bool
    taken_at: float  # Unix time, s
    utilization: float | None  # 0 to 1; None if no loop reports it
    lag: Histogram
    stalls: int  # since the watch began
    cost: float  # CPU seconds a second, of loopwatch itself
    dropped: Mapping[str, int]
    holding: tuple[Data, ...]  # stalls in progress, as in `snapshot.json`
    culprits: tuple[Culprit, ...]
    routes: tuple[Route, ...]


def reading(data: Data, before: Data | None = None) -> Reading:
    """Return a reading from `snapshot.json`, compared with the one before if there is one.

    Raises:
        CommandError: this version does not know its format.
    """
    try:
        return compared(data, None if before is None or begun_anew(data, before) else before)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CommandError(
            f"snapshot.json must have the format of this loopwatch, got one of version "
            f"{data.get('version')!r} ({type(error).__name__}: {error}): use the same version here"
        ) from error


def begun_anew(data: Data, before: Data) -> bool:
    def counters(one: Data) -> tuple[float, ...]:
        return one["taken_at"], one["stall_count"], one["self_seconds"], finished(one)

    pairs = zip(counters(data), counters(before), strict=True)
    return any(now < then for now, then in pairs)


def finished(data: Data) -> int:
    return sum(sum(row["latency"]["counts"]) for row in data["requests"])


def compared(data: Data, before: Data | None) -> Reading:
    uptime = max((sum(loop["lag"]["counts"]) * LAG_SECONDS for loop in data["loops"]), default=0.0)
    seconds = data["taken_at"] - before["taken_at"] if before else uptime
    known: Data = before or {}
    busy, idle = (data[name] - known.get(name, 0.0) for name in ("busy", "idle"))
    per_second = 1 / seconds if seconds > 0 else 0.0
    return Reading(
        version=str(data["version"]),
        loops=tuple(str(loop["loop"]) for loop in data["loops"]),
        uptime=uptime,
        seconds=seconds,
        alone=before is None,
        taken_at=data["taken_at"],
        utilization=min(1.0, max(0.0, busy / (busy + idle))) if busy + idle > 0 else None,
        lag=difference(data["lag"], known.get("lag")),
        stalls=data["stall_count"],
        cost=(data["self_seconds"] - known.get("self_seconds", 0.0)) * per_second,
        dropped={str(reason): count for reason, count in data["dropped"].items() if count},
        holding=tuple(data.get("in_progress", ())),
        culprits=culprits(data, known),
        routes=routes(data, known, per_second),
    )


def histogram(data: Data) -> Histogram:
    return Histogram(tuple(data["edges"]), tuple(data["counts"]), tuple(data["sums"]))


def difference(now: Data, then: Data | None) -> Histogram:
    """Return the growth of a histogram; all of it if there was none before."""
    return histogram(now) if then is None else histogram(now) - histogram(then)


def culprits(data: Data, before: Data) -> tuple[Culprit, ...]:
    then, latest = summed(before.get("sites", ())), latest_stalls(data["stalls"])
    found = []
    for (site, route), rows in summed(data["sites"]).items():
        stall: Data = latest.get((site, route), {})
        figures, old = figures_of(rows), figures_of(then.get((site, route), ()))
        costliest = max(rows, key=lambda row: sum(row["stalls"]["sums"]))
        found.append(
            Culprit(
                site=site,
                route=route,
                cause=str(costliest["cause"]),
                active=bool(before) and figures != old,
                place="{file}:{line}".format(**stall["site"]) if stall else "",
                call=stall["site"]["code"] if stall else "",
                **figures,
            )
        )
    return tuple(found)


def summed(rows: Iterable[Data]) -> dict[tuple[str, str], list[Data]]:
    """Return the rows of each site and route."""
    found: defaultdict[tuple[str, str], list[Data]] = defaultdict(list)
    for row in rows:
        found[row["site"], row["route"]].append(row)
    return found


def figures_of(rows: Iterable[Data]) -> dict[str, Any]:
    rows = list(rows)
    return {
        "stalls": sum(sum(row["stalls"]["counts"]) for row in rows),
        "held": sum(sum(row["stalls"]["sums"]) for row in rows),
        "victims": sum(row["victims"] for row in rows),
        "lost": sum(row["lost_request_seconds"] for row in rows),
    }


def latest_stalls(stalls: Iterable[Data]) -> dict[tuple[str, str], Data]:
    return {(s["site"]["function"], s["route"] or NONE): s for s in stalls}


def routes(data: Data, before: Data, per_second: float) -> tuple[Route, ...]:
    then = {(row["method"], row["route"]): row for row in before.get("requests", ())}
    rows = data["requests"]
    return tuple(route(row, then.get((row["method"], row["route"])), per_second) for row in rows)


def route(row: Data, then: Data | None, per_second: float) -> Route:
    latency = difference(row["latency"], then and then["latency"])
    count = latency.count

    def each(*names: str) -> float:
        spent = sum(row[name] - (then[name] if then else 0.0) for name in names)
        return max(0.0, spent) / count if count else 0.0

    return Route(
        route=row["route"],
        method=row["method"],
        rate=count * per_second,
        whole=sum(row["latency"]["counts"]),
        p50=latency.quantile(0.5) if count else None,
        p99=latency.quantile(0.99) if count else None,
        parts=tuple(each(part) for part in PARTS),
        loop_cost=each("running", "background") if count else None,
    )
