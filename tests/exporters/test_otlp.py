"""OTLP end to end: the real SDK and its exporters, over gRPC and HTTP, under a real server."""

import asyncio
import time
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from loopwatch.exporters.metric_attributes import CONVENTIONS
from loopwatch.exporters.metrics import METRICS, Metric

from ..serving import Server, Visitor, serve
from .receiver import PROTOCOLS, Receiver, attributes, receiving

pytestmark = pytest.mark.slow
TYPES = {  # of a stall's attributes, as OTLP has them
    "code.function.name": str,
    "code.file.path": str,
    "code.line.number": int,
    "code.stacktrace": str,
    "http.route": str,
    "thread.name": str,
    "loopwatch.cause": str,
    "loopwatch.duration": float,
    "loopwatch.victims": int,
    "loopwatch.lost_request_seconds": float,
    "loopwatch.exact": bool,
    "loopwatch.coroutine": str,
    "loopwatch.advice": str,
}
DEPRECATED = {
    *("code.function", "code.filepath", "code.lineno", "code.column", "code.namespace"),
    *("http.method", "http.status_code", "http.scheme", "http.url", "http.target", "http.host"),
    *("http.flavor", "http.user_agent", "http.server_name", "http.client_ip"),
}
LIVE = {"loopwatch.loop.time", "loopwatch.loop.lag", "loopwatch.self", "loopwatch.step"}
APART = 1.0  # s: what goes on between two readings of a quiet process, at most


class Sent(NamedTuple):
    """What a process has sent, and what it said to a scrape of the same moment."""

    receiver: Receiver
    scrape: dict[tuple[str, frozenset[Any]], float]
    stalls: list[dict[str, Any]]


@pytest.fixture(scope="module", params=PROTOCOLS)
def sent(request: pytest.FixtureRequest, loop: str) -> Iterator[Sent]:
    """Traffic whose every request is known, then quiet, then one last export."""
    own = {
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "700",
    }
    with (
        receiving(request.param) as receiver,
        serve("exported:app", loop, **own, **receiver.environment) as server,
    ):
        asyncio.run(traffic(server))
        server.get("/thread")
        server.get("/waiting")
        stalls = server.stalls()
        receiver.wait_for(lambda: len(named(receiver, "loopwatch.stall")) >= 3)
        time.sleep(0.6)  # a reading may serve several instruments for half a second
        yield Sent(receiver, scraped(server.read("scrape")), stalls)


async def traffic(server: Server) -> None:
    """Three stalls, each with one request under way and one that arrives meanwhile."""
    first, second, third = [await Visitor.to(server) for _ in range(3)]
    for number in range(3):
        under_way = asyncio.ensure_future(first.get("/good"))
        await asyncio.sleep(0.03)
        culprit = asyncio.ensure_future(second.get(f"/bad/{number}"))
        await asyncio.sleep(0.05)
        await asyncio.gather(third.get("/good"), under_way, culprit)
    for visitor in (first, second, third):
        await visitor.close()


def scraped(text: str) -> dict[tuple[str, frozenset[Any]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def named(receiver: Receiver, name: str) -> list[Any]:
    return [span for span in receiver.spans() if span.name == name]


def test_the_app_s_resource_arrives_and_nothing_of_loopwatch_s(sent: Sent) -> None:
    told = sent.receiver.resources()
    assert told
    for resource in told:
        assert resource["service.name"] == "shop"
        assert resource["deployment.environment.name"] == "test"
        assert not [name for name in resource if "loopwatch" in name or "loopwatch" in str(name)]
    assert len({frozenset(resource.items()) for resource in told}) == 1


def test_stalls_have_the_conventions_names_and_types(sent: Sent) -> None:
    spans = named(sent.receiver, "loopwatch.stall")
    found = [attributes(span) for span in spans]
    bad = [told for told in found if told.get("http.route") == "/bad/{number}"]
    assert len(bad) == 3
    for told in bad:
        assert told.keys() == TYPES.keys()
        assert {name: type(value) for name, value in told.items()} == TYPES
        assert told["code.function.name"] == "tests.apps.exported.bad"
        assert told["code.file.path"].endswith("/tests/apps/exported.py")
        assert told["loopwatch.cause"] == "blocking_call"
    for span in spans:
        assert span.kind == span.SPAN_KIND_INTERNAL
        assert 0.1 < (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9 < 2
    for span in sent.receiver.spans():
        ours = {name for name in attributes(span) if span.name == "loopwatch.stall"}
        assert not ours & DEPRECATED
        assert not [name for name in ours if name.startswith("net.")]


def test_a_stall_is_the_child_of_the_span_fastapi_makes(sent: Sent) -> None:
    spans = {span.span_id: span for span in sent.receiver.spans()}
    stalls = [s for s in named(sent.receiver, "loopwatch.stall") if is_bad(s)]
    if not any(span.name.startswith("GET ") for span in spans.values()):
        pytest.skip("this FastAPI makes no spans of its own")
    for stall in stalls:
        lineage = [stall]
        while lineage[-1].parent_span_id:
            lineage.append(spans[lineage[-1].parent_span_id])
        assert len(lineage) > 1
        assert lineage[-1].kind == lineage[-1].SPAN_KIND_SERVER
        assert lineage[-1].name == "GET /bad/{number}"
        assert {span.trace_id for span in lineage} == {stall.trace_id}


def is_bad(stall: Any) -> bool:
    return attributes(stall).get("http.route") == "/bad/{number}"


def test_victims_and_stalls_link_to_each_other(sent: Sent) -> None:
    """Those in their socket may end after the stall's span has: then only theirs has the link."""
    servers = [s for s in sent.receiver.spans() if s.kind == s.SPAN_KIND_SERVER]
    if not servers:
        pytest.skip("this FastAPI makes no spans of its own")
    stalls = {(s.trace_id, s.span_id): s for s in named(sent.receiver, "loopwatch.stall")}
    victims = {(s.trace_id, s.span_id): s for s in servers if s.links}
    assert len(victims) >= 3
    for identity, victim in victims.items():
        told = attributes(victim)
        parts = [told[f"loopwatch.request.{p}"] for p in ("queued", "running", "stalled")]
        assert all(type(part) is float for part in parts)
        assert parts[0] + parts[2] > 0.0
        assert type(told["loopwatch.request.waiting"]) is float
        for link in victim.links:
            back = stalls[link.trace_id, link.span_id]
            if parts[2] > 0.0:
                assert identity in {(b.trace_id, b.span_id) for b in back.links}
    linked = {(k.trace_id, k.span_id) for s in stalls.values() for k in s.links}
    assert linked <= victims.keys()
    assert len(linked) >= 3


def test_every_metric_has_its_name_type_and_unit(sent: Sent) -> None:
    """The scrape's name with dots, without its unit and `_total`."""
    instruments = sent.receiver.instruments()
    quiet = {"loopwatch.allowed_stall", "loopwatch.stall.in_progress"}  # there is none here
    assert instruments.keys() - quiet == {metric.name for metric in METRICS} - quiet
    for metric in METRICS:
        if metric.name in quiet:
            continue
        told = instruments[metric.name]
        assert told.unit == metric.otel_unit  # "1" would be translated into a name in _ratio
        assert told.description == metric.help
        is_sum = metric.kind == "counter" or metric.is_additive
        assert told.WhichOneof("data") == ("sum" if is_sum else metric.kind)
        plain = metric.prometheus_name.removesuffix("_total").removesuffix("_seconds")
        assert metric.name.replace(".", "_") == plain
        if is_sum:
            assert told.sum.is_monotonic == (metric.kind == "counter")
        if metric.kind != "gauge":
            cumulative = told.sum if metric.kind == "counter" else told.histogram
            assert cumulative.aggregation_temporality == 2
        for point in getattr(told, str(told.WhichOneof("data"))).data_points:
            assert attributes(point).keys() - set(CONVENTIONS.values()) == set(metric.labels)


def test_every_value_is_the_scrape_s(sent: Sent) -> None:
    """Counts, buckets and sums of every series, both ways; what moves by itself, nearly."""
    instruments = sent.receiver.instruments()
    compared = set()
    for metric in METRICS:
        if metric.name not in instruments:
            continue
        told = instruments[metric.name]
        for point in getattr(told, str(told.WhichOneof("data"))).data_points:
            named = attributes(point).items()
            labels = frozenset((name, value) for name, value in named if name in metric.labels)
            compared.add((metric.name, labels))
            for name, le, value in samples(metric, point):
                expected = sent.scrape[name, labels | le]
                assert value == pytest.approx(expected, rel=1e-6, abs=slack(metric, name)), name
    series = {
        (metric.name, labels)
        for metric in METRICS
        for name, labels in sent.scrape
        if name in (metric.prometheus_name, f"{metric.prometheus_name}_count")
        if metric.kind != "histogram" or sent.scrape[name, labels]
    }
    assert compared == series
    requests = [
        sent.scrape[key] for key in sent.scrape if key[0] == "loopwatch_request_seconds_count"
    ]
    assert sum(requests) == 11


def samples(metric: Metric, point: Any) -> Iterator[tuple[str, frozenset[Any], float]]:
    """Return a data point as the scrape has it: name, bucket, value."""
    name = metric.prometheus_name
    if metric.kind != "histogram":
        yield name, frozenset(), point.as_double
        return
    yield f"{name}_count", frozenset(), point.count
    yield f"{name}_sum", frozenset(), point.sum
    edges = [*(str(edge) for edge in point.explicit_bounds), "+Inf"]
    for edge, upto in zip(edges, accumulate(point.bucket_counts), strict=True):
        yield f"{name}_bucket", frozenset({("le", edge)}), upto


def slack(metric: Metric, name: str) -> float:
    """Return how much may have happened between the two readings."""
    if metric.name not in LIVE:
        return 1e-6
    per_second = 100 if name.endswith(("_count", "_bucket")) else 1
    return APART * per_second
