"""The load: a few keep-alive connections, a request on each, then the answers; and again.

So several requests share a tick of the server's loop, as they do on a server that has work.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import NamedTuple, Self

PATIENCE = 120.0
CONNECTIONS = 10


class Mark(NamedTuple):
    """CPU time of the server, in nanoseconds, at the end of one batch and the start of the next."""

    ended: int
    began: int


class Client:
    def __init__(self, port: int) -> None:
        with ExitStack() as stack:
            self.sockets = [stack.enter_context(_connected(port)) for _ in range(CONNECTIONS)]
            self._close = stack.pop_all().close

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def load(self, requests: int, between: Callable[[], None] = lambda: None) -> None:
        for begun in range(0, requests, CONNECTIONS):
            sockets = self.sockets[: requests - begun]
            for connection in sockets:
                _ask(connection, "/")
            for connection in sockets:
                _answer(connection)
            between()

    def mark(self) -> Mark:
        _ask(self.sockets[0], "/mark")
        return Mark(*map(int, _answer(self.sockets[0]).split()))


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _ask(connection: socket.socket, path: str) -> None:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def _answer(connection: socket.socket) -> bytes:
    head, body = _head(connection)
    length = _content_length(head)
    while len(body) < length:
        body += _receive(connection)
    return body


def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ConnectionError(f"the server answered {head.splitlines()[0]!r}, expected 200")
    return head, body


def _receive(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise ConnectionError("the server closed the connection before it had answered")
    return received


def _content_length(head: bytes) -> int:
    for line in head.splitlines():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ConnectionError("the server's answer has no content-length")
