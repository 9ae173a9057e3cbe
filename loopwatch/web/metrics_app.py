"""`/metrics` as an ASGI app, rendered off the loop: of one process, or of all workers together."""

from __future__ import annotations

import gzip
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import gzip_accepted
from prometheus_client.multiprocess import MultiProcessCollector

from loopwatch.core import options
from loopwatch.core.guard import log_once
from loopwatch.exporters import multiprocess
from loopwatch.exporters.exposition import render
from loopwatch.web.answering import Answer, Answering, App, Body, Question, Scope, text_answer

ZIPPED = 6  # level: nearly as small as 9, in a third of the time
SHARE = 0.05  # of the time may go into making answers
LONGEST = 1.0  # s, at most, for which an answer is given again because of that
TRIES = 3  # readings of the workers' files, which may change during a reading


def metrics(registry: CollectorRegistry = REGISTRY) -> App:
    """Return `/metrics` as an ASGI app, to mount: `app.mount("/metrics", metrics())`.

    It answers on its own thread, so that the loop is not held. It uses the format that the client
    accepts (OpenMetrics has exemplars), and gzip if the client accepts it. If
    `PROMETHEUS_MULTIPROC_DIR` is set, it answers for all processes that share the directory, for
    any registry.

    Raises:
        TypeError: `registry` is not a `CollectorRegistry`.
    """
    checked = options.registry(registry)
    if checked is None:
        raise TypeError("registry must be a prometheus_client.CollectorRegistry, got None")
    return Metrics(checked)


class Metrics(Answering):
    """Answers at any path."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__("loopwatch-metrics", SHARE, LONGEST)
        self._registry = registry

    def find(self, scope: Scope) -> Question:
        asked = header(scope, b"accept"), header(scope, b"accept-encoding")
        return Question((scope.get("query_string"), *asked), partial(self._safely, scope))

    def _safely(self, scope: Scope) -> Answer:
        tries = TRIES if multiprocess.active() else 1
        for left in reversed(range(tries)):
            try:
                return self._made(scope)
            except Exception:
                if not left:
                    log_once("loopwatch.web.metrics_app")
        return text_answer(500, "the metrics could not be made; the log says why")

    def _made(self, scope: Scope) -> Answer:
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        source: Any = self._source(bool(query))
        if names := query.get("name[]"):
            source = source.restricted_registry(names)
        body, kind = render(source, header(scope, b"accept"))
        if not gzip_accepted(header(scope, b"accept-encoding")):
            return Answer(200, Body(body, kind))
        zipped = gzip.compress(body, ZIPPED)
        return Answer(200, Body(zipped, kind), (("content-encoding", "gzip"),))

    def _source(self, by_name: bool) -> CollectorRegistry:
        if not multiprocess.active():
            return self._registry
        combined = CollectorRegistry(auto_describe=by_name)
        MultiProcessCollector(combined)  # type: ignore[no-untyped-call]
        return combined


def header(scope: Scope, wanted: bytes) -> str:
    found = (value for name, value in scope["headers"] if name.lower() == wanted)
    return b",".join(found).decode("latin-1")
