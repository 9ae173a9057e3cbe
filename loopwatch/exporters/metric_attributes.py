"""The attributes of our metrics in OpenTelemetry: our labels, and what the conventions call them.

Our own names stay, so that dashboards and rules hold for metrics that come by OTLP. Beside them
stand the names of the semantic conventions, by which a backend joins metrics with traces. These are
absent where there is nothing to name: the conventions know no `_NONE`.
"""

from __future__ import annotations

from typing import TypeAlias

from loopwatch.core.record_types import NONE, OTHER
from loopwatch.exporters.metrics import Labels, Metric

Attributes: TypeAlias = dict[str, str | int]

CONVENTIONS = {  # by label
    "route": "http.route",
    "method": "http.request.method",
    "site": "code.function.name",
    "cause": "loopwatch.cause",  # as in spans
    "generation": "cpython.gc.generation",
}


def attributes_of(metric: Metric, labels: Labels) -> Attributes:
    """Return the attributes of one series."""
    found: Attributes = {}
    for name, value in zip(metric.labels, labels, strict=True):
        found[name] = value
        if name in CONVENTIONS and is_known(name, value):
            found[CONVENTIONS[name]] = int(value) if name == "generation" else value
    return found


def is_known(name: str, value: str) -> bool:
    """Return whether a value is one of those that the conventions mean."""
    if name == "generation":
        return value.isascii() and value.isdigit()
    return value != NONE and (value != OTHER or name == "method")
