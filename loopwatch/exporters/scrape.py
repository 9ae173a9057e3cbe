"""How one watch is scraped: by its registry or many workers' files, and a port if asked for."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from loopwatch.core import options
from loopwatch.core.record_types import Source
from loopwatch.exporters import multiprocess, prometheus
from loopwatch.exporters.exporter import Changed
from loopwatch.exporters.multiprocess import Sharing

if TYPE_CHECKING:
    from loopwatch.exporters.port import MetricsPort


class Scraped:
    """An exporter to Prometheus: a registry or the files of many workers, and a port if asked for.

    Raises:
        TypeError, ValueError: an option cannot be what it is, or there is nothing that the port
            could serve.
    """

    def __init__(
        self, registry: CollectorRegistry | None, metrics_host: str, metrics_port: int | None
    ) -> None:
        self._registry = options.registry(registry)
        host = options.host("metrics_host", metrics_host)
        port = options.port("metrics_port", metrics_port)
        self._shares = registry is not None and multiprocess.active()
        if port is not None and (registry is None or self._shares):
            raise ValueError(useless_port(port, self._shares))
        self._port = opened_by(registry, host, port) if registry and port is not None else None
        self._registered = False
        self._sharing: Sharing | None = None

    def start(self, source: Source) -> None:
        """Raises ValueError if a metric's name is taken."""
        if self._port is not None:
            self._port.livez = getattr(source, "liveness", None)
            self._port.open()
        if self._shares and self._sharing is None:
            self._sharing = Sharing(source)
        if self._sharing is not None:
            atexit.register(self.flush)
        elif self._registry is not None and not self._registered:
            prometheus.register(self._registry, source)
            self._registered = True

    def stop(self, source: Source) -> None:
        """What the files of many workers have counted stays in them."""
        if self._port is not None:
            self._port.close()
        self.flush()
        atexit.unregister(self.flush)
        if self._registered and self._registry is not None:
            prometheus.unregister(self._registry, source)
            self._registered = False

    def after_fork(self, source: Source) -> None:
        """What was counted, and where it is served, is the parent's."""
        if self._sharing is not None:
            self._sharing = self._sharing.afresh()
        if self._port is not None:
            self._port.abandon()

    def write(self, changed: Changed) -> None:
        """Write the stalls of changed sites, and everything else if that is due."""
        if self._sharing is not None:
            self._sharing.stalls(changed)
            while self._sharing.is_due():  # in turns: a fork waits for the end of one
                self._sharing.attend()

    def due_in(self) -> float | None:
        return None if self._sharing is None else self._sharing.due_in()

    def flush(self) -> None:
        """Write everything now."""
        if self._sharing is not None:
            self._sharing.flush()


def opened_by(registry: CollectorRegistry, host: str, port: int) -> MetricsPort:
    from loopwatch.exporters.port import MetricsPort

    return MetricsPort(registry, host, port)


def useless_port(port: int, shares: bool) -> str:
    if shares:
        return (
            f"metrics_port must be left out where {multiprocess.VARIABLE} is set, got {port}: "
            "there every worker's /metrics answers for all workers; unset one of the two"
        )
    return f"metrics_port must come with a registry to serve, got {port} and registry=None"
