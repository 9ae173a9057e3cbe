"""What a replay has found: the latency of routes as it was, and as it would be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from loopwatch.core.foreseeing import WhatIf
from loopwatch.core.quantiles import Quantiles

Name = tuple[str, str]  # route, method
Pair = tuple[float, float]  # the latency of one request, s: as it was, as it would be


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The latency of requests as it was, and as it would be; or why nobody can tell."""

    pairs: Mapping[Name, tuple[Pair, ...]] = field(default_factory=dict, repr=False)
    reason: str = ""  # why there is no prediction; empty: there is one

    @property
    def routes(self) -> tuple[WhatIf, ...]:
        """Quantiles by route and method, most requests first; empty without a prediction."""
        order = sorted(self.pairs.items(), key=lambda item: -len(item[1]))
        return tuple(
            WhatIf(
                route=route,
                method=method,
                requests=len(pairs),
                now=Quantiles.of(was for was, _ in pairs),
                then=Quantiles.of(then for _, then in pairs),
            )
            for (route, method), pairs in order
        )

    def of(self, route: str, method: str) -> WhatIf | None:
        """Return the quantiles of one route and method; None if it has no request."""
        mine = {(route, method): self.pairs.get((route, method), ())}
        return next(iter(Prediction(pairs=mine).routes)) if mine[route, method] else None


def joined(predictions: Iterable[Prediction]) -> Prediction:
    """Return what several loops' predictions say together: the first reason, if one has any."""
    pairs: defaultdict[Name, tuple[Pair, ...]] = defaultdict(tuple)
    for prediction in predictions:
        if prediction.reason:
            return prediction
        for name, found in prediction.pairs.items():
            pairs[name] += found
    return Prediction(pairs=dict(pairs))
