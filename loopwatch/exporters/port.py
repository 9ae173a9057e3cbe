"""A metrics port of each process: the first free one from a number on.

Opened on a thread of its own, since looking up the host's name may take long.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
from contextlib import suppress
from typing import Any

from prometheus_client import CollectorRegistry

from loopwatch.core.guard import guarded, say
from loopwatch.core.own_thread import OwnThread
from loopwatch.exporters.http_server import BoundedServer, start_http_server
from loopwatch.exporters.wsgi_app import Livez, MetricsApp

TRIES = 64  # ports
LAST = 65535
PATIENCE = 5.0  # s for a thread to end


class MetricsPort:
    """Serves a registry over HTTP, on threads of its own, while it is open.

    `GET /livez` answers as `livez` says: whether the process is alive, and what to report.
    """

    def __init__(self, registry: CollectorRegistry, host: str, first: int) -> None:
        self._registry, self._host, self._first = registry, host, first
        self.livez: Livez | None = None
        self._server: Any = None
        self._opener: threading.Thread | None = None

    def open(self) -> None:
        """Begin to serve; nothing happens if that was done."""
        if self._opener is None:
            self._opener = OwnThread(self._open, "loopwatch-port")
            self._opener.start()

    def close(self) -> None:
        """Serve no more; the port is free afterwards."""
        opener, self._opener = self._opener, None
        if opener is not None:
            opener.join(PATIENCE)
        server, self._server = self._server, None
        if server is None:
            return
        ender = OwnThread(server.shutdown, "loopwatch-port-end")
        ender.start()
        with suppress(OSError):
            server.socket.shutdown(socket.SHUT_RDWR)  # wakes it: else it looks twice a second
        ender.join(PATIENCE)
        server.server_close()

    def abandon(self) -> None:
        """`close` in a forked child: the port is the parent's."""
        if self._server is not None:
            self._server.socket.close()
        self._server = self._opener = None

    @guarded
    def _open(self) -> None:
        last = min(self._first + TRIES - 1, LAST)
        for port in range(self._first, last + 1):
            try:
                server = start_http_server(port, self._host)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                self._say_none(f"{self._host} port {port} cannot be had ({reason(error)})")
                return
            self._serve(server)
            host = f"[{self._host}]" if ":" in self._host else self._host
            say(
                logging.INFO,
                "loopwatch serves this process's metrics at http://%s:%d/metrics",
                host,
                port,
            )
            return
        self._say_none(f"{self._host} ports {self._first} to {last} are all taken")

    def _serve(self, server: BoundedServer) -> None:
        server.set_app(MetricsApp(self._registry, self._host, server.server_name, self.livez))
        self._server = server
        name = "loopwatch-metrics"
        OwnThread(server.serve_forever, name).start()

    def _say_none(self, why: str) -> None:
        say(
            logging.ERROR,
            "loopwatch serves no metrics of process %d: %s; give another metrics_port or "
            "metrics_host; the app is not affected",
            os.getpid(),
            why,
        )


def reason(error: OSError) -> str:
    number = error.errno or 0  # negative for a host that cannot be resolved
    return os.strerror(number) if number > 0 else str(error.strerror or error)
