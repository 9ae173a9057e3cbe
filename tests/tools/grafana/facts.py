"""What Prometheus is asked, and what the app's own snapshot says to it.

`$me` stands for the instance. An answer has one label at most; its values are told by its value.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

Row = dict[str, Any]
Told = dict[str, float]


def added(rows: Iterable[tuple[str, float]]) -> Told:
    whole: Told = {}
    for key, value in rows:
        whole[key] = whole.get(key, 0.0) + value
    return whole


def counted(rows: Iterable[tuple[str, Row]]) -> Told:
    return added((key, float(sum(histogram["counts"]))) for key, histogram in rows)


def summed(rows: Iterable[tuple[str, Row]]) -> Told:
    return added((key, sum(histogram["sums"])) for key, histogram in rows)


def below(edge: float, rows: Iterable[tuple[str, Row]]) -> Told:
    return added(
        (key, sum(n for e, n in zip(h["edges"], h["counts"], strict=False) if e <= edge))
        for key, h in rows
    )


def stalls(shot: Row, key: str) -> list[tuple[str, Row]]:
    return [(row[key], row["stalls"]) for row in shot["sites"]]


def requests(shot: Row) -> list[tuple[str, Row]]:
    return [(row["route"], row["latency"]) for row in shot["requests"] if row["method"] == "GET"]


def parts(shot: Row, part: str) -> Told:
    return added((row["route"], row[part]) for row in shot["requests"])


def lag(shot: Row) -> list[tuple[str, Row]]:
    return [("", shot["lag"])]


FACTS: dict[str, Callable[[Row], Told]] = {
    "sum by (site) (loopwatch_stall_seconds_count{$me})": lambda s: counted(stalls(s, "site")),
    "sum by (site) (loopwatch_stall_seconds_sum{$me})": lambda s: summed(stalls(s, "site")),
    "sum by (route) (loopwatch_stall_seconds_sum{$me})": lambda s: summed(stalls(s, "route")),
    "sum by (cause) (loopwatch_stall_seconds_sum{$me})": lambda s: summed(stalls(s, "cause")),
    "sum by (site) (loopwatch_allowed_stall_seconds_count{$me})": lambda s: counted(
        (row["site"], row["stalls"]) for row in s["allowed"]
    ),
    "sum by (site) (loopwatch_lost_request_seconds_total{$me})": lambda s: added(
        (row["site"], row["lost_request_seconds"]) for row in s["sites"]
    ),
    "sum by (route) (loopwatch_request_seconds_count{$me})": lambda s: counted(requests(s)),
    "sum by (route) (loopwatch_request_seconds_sum{$me})": lambda s: summed(requests(s)),
    'sum by (route) (loopwatch_request_seconds_bucket{$me, le="0.1"})': lambda s: below(
        0.1, requests(s)
    ),
    **{
        f'sum by (route) (loopwatch_request_time_seconds_total{{$me, state="{state}"}})': partial(
            parts, part=state
        )
        for state in ("queued", "running", "stalled", "waiting", "background")
    },
    "sum by (route) (loopwatch_threadpool_wait_seconds_total{$me})": partial(
        parts, part="threadpool"
    ),
    "sum by (place) (loopwatch_wait_seconds_total{$me})": lambda s: added(
        (row["place"]["function"], row["seconds"]) for row in s["waits"]
    ),
    "sum by (resource) (loopwatch_wait_seconds_total{$me})": lambda s: added(
        (row["resource"], row["seconds"]) for row in s["waits"]
    ),
    "sum by (site) (loopwatch_loop_busy_seconds_total{$me})": lambda s: added(
        (row["site"]["function"], row["seconds"]) for row in s["loop_time"]
    ),
    "sum by (coroutine) (loopwatch_step_seconds_count{$me})": lambda s: counted(s["steps"]),
    "sum by (coroutine) (loopwatch_step_seconds_sum{$me})": lambda s: summed(s["steps"]),
    "sum by (coroutine) (loopwatch_coroutine_seconds_sum{$me})": lambda s: summed(s["timed"]),
    "sum by (state) (loopwatch_loop_time_seconds_total{$me})": lambda s: {
        state: s[state] for state in ("busy", "idle")
    },
    'sum(loopwatch_loop_lag_seconds_bucket{$me, le="0.1"})': lambda s: below(0.1, lag(s)),
    "sum(loopwatch_loop_lag_seconds_count{$me})": lambda s: counted(lag(s)),
    "sum(loopwatch_loop_lag_seconds_sum{$me})": lambda s: summed(lag(s)),
    "sum by (generation) (loopwatch_gc_pause_seconds_count{$me})": lambda s: counted(
        s["gc_pauses"]
    ),
    "sum by (generation) (loopwatch_gc_pause_seconds_sum{$me})": lambda s: summed(s["gc_pauses"]),
    "sum(loopwatch_self_seconds_total{$me})": lambda s: {"": s["self_seconds"]},
}
