"""How one watch is scraped: by its registry or many workers' files, and a port if asked for."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry

from loopwatch.core import options
from loopwatch.core.record_types import SiteReading, Source
from loopwatch.exporters import multiprocess, prometheus
from loopwatch.exporters.multiprocess import Sharing
from loopwatch.exporters.port import MetricsPort


class Scraped:
    """What Prometheus can see of a source, from `begin` to `end`.

    Raises:
        TypeError, ValueError: an option cannot be what it is, or there is nothing that the port
            could serve.
    """

    def __init__(
        self,
        source: Source,
        registry: CollectorRegistry | None,
        metrics_host: str,
        metrics_port: int | None,
    ) -> None:
        self._source, self._registry = source, options.registry(registry)
        host = options.host("metrics_host", metrics_host)
        port = options.port("metrics_port", metrics_port)
        self._begun = False
        shares = registry is not None and multiprocess.active()
        if port is not None and (registry is None or shares):
            raise ValueError(useless_port(port, shares))
        self._port = MetricsPort(registry, host, port) if registry and port is not None else None
        self._sharing = Sharing(source) if shares else None

    def begin(self) -> None:
        """Be seen; nothing happens if it is. Raises ValueError if a metric's name is taken."""
        if self._port is not None:
            self._port.open()
        if self._begun or self._registry is None:
            return
        self._begun = True
        if self._sharing is not None:
            atexit.register(self.flush)
        else:
            prometheus.register(self._registry, self._source)

    @property
    def period(self) -> float | None:
        """How often everything is to be written, s; None where nothing is."""
        return None if self._sharing is None else multiprocess.OFTEN

    def is_due(self) -> bool:
        """Whether there is something to write, but for stalls."""
        return self._sharing is not None and self._sharing.is_due()

    def write(self, changed: Callable[[], Iterable[SiteReading]]) -> None:
        """Have the stalls of `changed` sites seen, whatever becomes of this process, and a part of
        everything else if that is due."""
        if self._sharing is not None:
            self._sharing.stalls(changed)
            self._sharing.attend()

    def flush(self) -> None:
        """Have everything seen now."""
        if self._sharing is not None and self._begun:
            self._sharing.flush()

    def end(self) -> None:
        """Be seen no more, but for what many workers' files have counted."""
        if self._port is not None:
            self._port.close()
        self.flush()
        if self._registry is not None and self._begun:
            atexit.unregister(self.flush)
            prometheus.unregister(self._registry, self._source)
        self._begun = False

    def abandon(self) -> None:
        """After a fork: what was counted, and where it is served, is the parent's."""
        if self._sharing is not None:
            self._sharing = self._sharing.afresh()
        if self._port is not None:
            self._port.abandon()


def useless_port(port: int, shares: bool) -> str:
    if shares:
        return (
            f"metrics_port must be left out where {multiprocess.VARIABLE} is set, got {port}: "
            "there every worker's /metrics answers for all workers; unset one of the two"
        )
    return f"metrics_port must come with a registry to serve, got {port} and registry=None"
