"""The difference between two readings of a live page.

Counters only grow. If one has shrunk, another process answers, and its reading stands alone: it
shows everything since its watch began.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from loopwatch.core.histogram import Histogram
from loopwatch.core.record_types import NONE
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.estimate_readings import PARTS as PARTS
from loopwatch.tools.cli.estimate_readings import (
    InFlight,
    LoopTime,
    Wait,
    in_flight,
    loop_time,
    waits,
)
from loopwatch.tools.cli.fields import LENGTH, amount, count, histogram, number, rows, text

LAG_SECONDS = 0.01  # one observation of lag stands for this much time

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
    waits: tuple[Wait, ...] = ()  # most seconds first, like all that follow
    loop_time: tuple[LoopTime, ...] = ()
    in_flight: tuple[InFlight, ...] | None = None  # oldest first; None: not asked for, or not told


def reading(data: Data, before: Data | None = None, now: Data | None = None) -> Reading:
    """Return a reading from `snapshot.json`, compared with the one before if there is one, and
    from `requests.json` as of `now` where it was read.

    Raises:
        CommandError: this version does not know its format.
    """
    try:
        known = None if before is None or begun_anew(data, before) else before
        return replace(compared(data, known), in_flight=in_flight(now) if now else None)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise CommandError(
            f"snapshot.json must be as loopwatch of this version writes it, got one of version "
            f"{data.get('version')!r:.{LENGTH}} ({type(error).__name__}: {error}): use the same "
            "version here"
        ) from error


def begun_anew(data: Data, before: Data) -> bool:
    def counters(one: Data) -> tuple[float, ...]:
        numbers = (one[name] for name in ("taken_at", "stall_count", "self_seconds"))
        return *map(number, numbers), finished(one)

    pairs = zip(counters(data), counters(before), strict=True)
    return any(now < then for now, then in pairs)


def finished(data: Data) -> int:
    return sum(histogram(row["latency"]).count for row in rows(data["requests"]))


def compared(data: Data, before: Data | None) -> Reading:
    loops = rows(data["loops"])
    uptime = max(map(watched, loops), default=0.0)
    seconds = data["taken_at"] - before["taken_at"] if before else uptime
    known: Data = before or {}
    busy, idle = (amount(data[name]) - known.get(name, 0.0) for name in ("busy", "idle"))
    per_second = 1 / seconds if seconds > 0 else 0.0
    return Reading(
        version=text(data["version"]),
        loops=tuple(text(loop["loop"]) for loop in loops),
        uptime=uptime,
        seconds=seconds,
        alone=before is None,
        taken_at=data["taken_at"],
        utilization=min(1.0, max(0.0, busy / (busy + idle))) if busy + idle > 0 else None,
        lag=difference(data["lag"], known.get("lag")),
        stalls=count(data["stall_count"]),
        cost=(data["self_seconds"] - known.get("self_seconds", 0.0)) * per_second,
        dropped={text(reason): n for reason, n in data["dropped"].items() if count(n)},
        holding=tuple(map(holding, rows(data.get("in_progress", [])))),
        culprits=culprits(data, known),
        routes=routes(data, known, per_second),
        waits=waits(data),
        loop_time=loop_time(data),
    )


def watched(loop: Data) -> float:
    """Return for how long a loop has been watched, s; from outside its lag is not known."""
    known = histogram(loop["lag"]).count * LAG_SECONDS
    return known or sum(amount(loop.get(part) or 0.0) for part in ("busy", "idle"))


def holding(stall: Data) -> Data:
    """Return what is told of a stall in progress."""
    names = ("method", "route", "coroutine")
    known = {name: text(stall[name]) if stall.get(name) else None for name in names}
    why = stall.get("blocker")  # of no version before it
    known["blocker"] = text(why["text"]) if why else None
    return {**known, "duration": amount(stall["duration"]), "site": place(stall["site"])}


def place(site: Data) -> Data:
    names = {name: text(site[name]) for name in ("function", "file", "code")}
    return {**names, "line": count(site["line"])}


def difference(now: Data, then: Data | None) -> Histogram:
    """Return the growth of a histogram; all of it if there was none before."""
    return histogram(now) if then is None else histogram(now) - histogram(then)


def culprits(data: Data, before: Data) -> tuple[Culprit, ...]:
    then, latest = summed(before.get("sites", [])), latest_stalls(data["stalls"])
    found = []
    for (site, route), parts in summed(data["sites"]).items():
        where = latest.get((site, route))
        figures, old = figures_of(parts), figures_of(then.get((site, route), ()))
        dearest = max(parts, key=lambda row: histogram(row["stalls"]).sum)
        found.append(
            Culprit(
                site=site,
                route=route,
                cause=text(dearest["cause"]),
                active=bool(before) and figures != old,
                place=f"{where['file']}:{where['line']}" if where else "",
                call=where["code"] if where else "",
                **figures,
            )
        )
    return tuple(found)


def summed(told: Any) -> dict[tuple[str, str], list[Data]]:
    """Return the rows of each site and route."""
    found: defaultdict[tuple[str, str], list[Data]] = defaultdict(list)
    for row in rows(told):
        found[text(row["site"]), text(row["route"])].append(row)
    return found


def figures_of(parts: Iterable[Data]) -> dict[str, Any]:
    told = [(histogram(row["stalls"]), row) for row in parts]
    return {
        "stalls": sum(stalls.count for stalls, _ in told),
        "held": sum(stalls.sum for stalls, _ in told),
        "victims": sum(count(row["victims"]) for _, row in told),
        "lost": sum(amount(row["lost_request_seconds"]) for _, row in told),
    }


def latest_stalls(stalls: Any) -> dict[tuple[str, str], Data]:
    """Return where the latest stall of each site and route is."""
    places = ((place(s["site"]), s["route"]) for s in rows(stalls))
    return {(where["function"], text(route or NONE)): where for where, route in places}


def routes(data: Data, before: Data, per_second: float) -> tuple[Route, ...]:
    then = {(text(r["method"]), text(r["route"])): r for r in before.get("requests", ())}
    told = rows(data["requests"])
    return tuple(
        route(row, then.get((text(row["method"]), text(row["route"]))), per_second) for row in told
    )


def route(row: Data, then: Data | None, per_second: float) -> Route:
    latency = difference(row["latency"], then and then["latency"])
    done = latency.count

    def each(*names: str) -> float:
        spent = sum(amount(row[name]) - (then[name] if then else 0.0) for name in names)
        return max(0.0, spent) / done if done else 0.0

    return Route(
        route=text(row["route"]),
        method=text(row["method"]),
        rate=done * per_second,
        whole=histogram(row["latency"]).count,
        p50=latency.quantile(0.5) if done else None,
        p99=latency.quantile(0.99) if done else None,
        parts=tuple(each(part) for part in PARTS),
        loop_cost=each("running", "background") if done else None,
    )
