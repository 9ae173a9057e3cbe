"""The exporters that come with loopwatch, as a watch's options ask for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry

from loopwatch.core import options
from loopwatch.exporters.log import StallLog
from loopwatch.exporters.scrape import Scraped
from loopwatch.exporters.spans import StallSpans


def default_exporters(
    log: bool, otel: bool, registry: CollectorRegistry | None, host: str, port: int | None
) -> Iterator[Any]:
    """Raises TypeError or ValueError if an option cannot be what it is."""
    spans = StallSpans() if options.flag("otel", otel) else None
    if options.flag("log", log):
        yield StallLog(spans=spans)
    if spans is not None:
        yield spans
    yield Scraped(registry, host, port)
