"""What if: the latency predicted without the blocking call, and that measured without it.

The same load is sent twice: to the blocking route, and to its good twin in the same place.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from .plan import BAD
from .trial import Trial

QUANTILES = {"p50": 50, "p90": 90, "p99": 99}
SHARE = 0.20
CLOSE = 0.005  # s


class Prediction(NamedTuple):
    route: str
    quantile: str
    requests: int
    now: float
    predicted: float
    measured: float  # by the client, s
    told: float  # by loopwatch in the second trial, s

    @property
    def holds(self) -> bool:
        bounds = [max(SHARE * truth, CLOSE) for truth in (self.measured, self.told)]
        errors = [abs(self.predicted - truth) for truth in (self.measured, self.told)]
        return all(error <= bound for error, bound in zip(errors, bounds, strict=True))

    def __str__(self) -> str:
        times = (self.now, self.predicted, self.measured, self.told)
        shown = " ".join(f"{time * 1e3:9.1f}" for time in times)
        verdict = "ok" if self.holds else f"WRONG {self.predicted / self.measured - 1:+.0%}"
        return f"{self.route:14} {self.quantile} {self.requests:5} {shown}  {verdict}"


HEADING = f"{'without block, ms':14} {'':8} " + " ".join(
    f"{name:>9}" for name in ("now", "predicted", "client", "loopwatch")
)


def predictions(bad: Trial, good: Trial) -> Iterator[Prediction]:
    """Yield three for each good route."""
    clients = latencies(good)
    told = defaultdict(list)
    for record in good.recent.values():
        told[record["route"]].append(record["latency"])
    foreseen = {(w["route"], w["method"]): w for w in bad.without}
    for route, measured in sorted(clients.items()):
        what_if: dict[str, Any] = foreseen[route, "GET"]
        by_client, by_loopwatch = percentiles(measured), percentiles(told[route])
        for name, q in QUANTILES.items():
            now, then = what_if["now"][name], what_if["then"][name]
            seen = (by_client[q], by_loopwatch[q])
            yield Prediction(route, name, what_if["requests"], now, then, *seen)


def latencies(trial: Trial) -> dict[str, list[float]]:
    """Return what the client measured on good routes; the warm-up is left in, as by loopwatch."""
    found = defaultdict(list)
    for request in trial.requests:
        if request.route != BAD:
            found[request.route].append(request.received - request.sent)
    return dict(found)


def percentiles(values: list[float]) -> dict[int, float]:
    return dict(enumerate(statistics.quantiles(values, n=100, method="inclusive"), start=1))
