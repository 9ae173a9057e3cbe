"""Metrics in OpenTelemetry: our labels, and the semantic conventions' names beside them."""

import pytest
from opentelemetry.semconv._incubating.attributes import cpython_attributes
from opentelemetry.semconv.attributes import code_attributes, http_attributes

from loopwatch.core.record_types import NONE, OTHER
from loopwatch.exporters.metric_attributes import CONVENTIONS, attributes_of
from loopwatch.exporters.metrics import GC_PAUSE, METRICS, REQUEST, STALL, TASKS, Labels, Metric


@pytest.mark.parametrize(
    ("metric", "labels", "conventional"),
    [
        (
            STALL,
            ("/users/{id}", "shop.users.load", "cpu"),
            {
                "http.route": "/users/{id}",
                "code.function.name": "shop.users.load",
                "loopwatch.cause": "cpu",
            },
        ),
        (STALL, (NONE, OTHER, "unknown"), {"loopwatch.cause": "unknown"}),
        (STALL, (OTHER, NONE, "unknown"), {"loopwatch.cause": "unknown"}),
        (REQUEST, ("/", "GET"), {"http.route": "/", "http.request.method": "GET"}),
        (REQUEST, ("/", OTHER), {"http.route": "/", "http.request.method": OTHER}),
        (GC_PAUSE, ("2",), {"cpython.gc.generation": 2}),
        (GC_PAUSE, ("old",), {}),
        (TASKS, (), {}),
    ],
)
def test_names_of_the_conventions_stand_beside_our_own(
    metric: Metric, labels: Labels, conventional: dict[str, str | int]
) -> None:
    ours = dict(zip(metric.labels, labels, strict=True))
    assert attributes_of(metric, labels) == ours | conventional


def test_the_conventions_call_them_so() -> None:
    assert CONVENTIONS == {
        "route": http_attributes.HTTP_ROUTE,
        "method": http_attributes.HTTP_REQUEST_METHOD,
        "site": code_attributes.CODE_FUNCTION_NAME,
        "cause": "loopwatch.cause",
        "generation": cpython_attributes.CPYTHON_GC_GENERATION,
    }


def test_units_are_seconds_or_say_what_is_counted() -> None:
    """An annotation in braces, which Prometheus leaves out of names; "1" would be a `_ratio`."""
    units = {metric.name: metric.otel_unit for metric in METRICS if metric.otel_unit != "s"}
    assert units == {
        "loopwatch.tasks": "{task}",
        "loopwatch.threadpool.threads": "{thread}",
        "loopwatch.threadpool.waiting": "{call}",
        "loopwatch.dropped": "{item}",
        "loopwatch.info": "",
    }
    assert {metric.name for metric in METRICS if metric.is_additive} == {
        *("loopwatch.tasks", "loopwatch.threadpool.threads", "loopwatch.threadpool.waiting")
    }
