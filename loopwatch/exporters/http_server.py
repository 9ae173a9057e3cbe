"""A small HTTP server on threads of its own, with a bound on what connections may cost."""

from __future__ import annotations

import io
import socket
import threading
from contextlib import suppress
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, TextIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from loopwatch.core.gil_turns import FOR_ANSWERS, FOR_PORT, want_no_turns
from loopwatch.core.own_thread import OwnThread
from loopwatch.core.rest import rest

CONNECTIONS = 32  # open at once; another one takes the place of the oldest that has not asked yet
READING = 5.0  # s to wait for a client that sends a request, or reads its answer
LOOK = 0.5  # s between two looks whether the server is to end
BACKLOG = 16  # connections not accepted yet


class Handler(WSGIRequestHandler):
    """Handles one connection, which is one request."""

    timeout = READING
    server: BoundedServer

    def parse_request(self) -> bool:
        understood = super().parse_request()
        self.server.has_asked(self.connection)
        return understood

    def log_message(self, *arguments: Any) -> None:
        """Say nothing of everyday life."""

    def get_stderr(self) -> TextIO:
        return io.StringIO()  # what an app raises is for the app to tell


class BoundedServer(ThreadingMixIn, WSGIServer):
    """Serves a WSGI app, on a thread for each connection."""

    daemon_threads = True
    request_queue_size = BACKLOG
    allow_reuse_port = False  # a taken port must be seen to be taken

    def __init__(self, address: tuple[str, int], family: int) -> None:
        self.address_family = family
        self._lock = threading.Lock()
        self._open: set[Any] = set()
        self._ending, self._ended = threading.Event(), threading.Event()
        self._reading: dict[Any, None] = {}  # of these, those that have not asked, oldest first
        super().__init__(address, Handler)

    def serve_forever(self, poll_interval: float = LOOK) -> None:
        """Serve until `shutdown`. Beside a loop that never waits, it asks for turns at the GIL."""
        try:
            while not self._ending.is_set():
                asked, _ = rest(FOR_PORT, self.fileno(), poll_interval, ())
                if asked and not self._ending.is_set():
                    self._handle_request_noblock()  # type: ignore[attr-defined]  # as the base does
        finally:
            want_no_turns(FOR_PORT)
            self._ended.set()

    def shutdown(self) -> None:
        self._ending.set()
        self._ended.wait()

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's looks up the host's name, which may take long
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._has_room():
            with self._lock:
                self._open.add(request)
                self._reading[request] = None
            name = "loopwatch-port-answer"
            OwnThread(self._answer, name, request, client_address).start()
        else:
            self.shutdown_request(request)

    def _answer(self, request: Any, client_address: Any) -> None:
        asked, _ = rest(FOR_ANSWERS, request.fileno(), READING, ())
        if asked:
            self.process_request_thread(request, client_address)
        else:
            self.shutdown_request(request)

    def _has_room(self) -> bool:
        with self._lock:
            if len(self._open) < CONNECTIONS:
                return True
            oldest = next(iter(self._reading), None)
            if oldest is not None:
                self._forget(oldest)
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)  # its thread ends
            return oldest is not None

    def has_asked(self, request: Any) -> None:
        with self._lock:
            self._reading.pop(request, None)

    def close_request(self, request: Any) -> None:
        with self._lock:
            self._forget(request)
        super().close_request(request)

    def _forget(self, request: Any) -> None:
        self._open.discard(request)
        self._reading.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or was too slow, is no error."""


def start_http_server(port: int, host: str) -> BoundedServer:
    """Return a server that listens; what it serves is `set_app`, and `serve_forever` serves it."""
    [(family, *_, address), *_] = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return BoundedServer((str(address[0]), port), family)
