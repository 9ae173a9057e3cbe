"""The load: a few keep-alive connections. It sends a request on each, reads the answers, repeats.

So several requests share a tick of the server's loop, as on a busy server.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import NamedTuple, Self

PATIENCE = 120.0
CONNECTIONS = 10
END = b"\r\n\r\n"  # of a head


class Mark(NamedTuple):
    """CPU time of the server, in nanoseconds, at the end of one batch and the start of the next."""

    ended: int
    began: int
    collections: int  # full garbage collections by the end of the batch; the mark adds one more


class Client:
    def __init__(self, port: int, connections: int = CONNECTIONS) -> None:
        with ExitStack() as stack:
            self.sockets = [stack.enter_context(_connected(port)) for _ in range(connections)]
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
        for begun in range(0, requests, len(self.sockets)):
            sockets = self.sockets[: requests - begun]
            for connection in sockets:
                ask(connection, "/")
            for connection in sockets:
                answer(connection)
            between()

    def mark(self) -> Mark:
        ask(self.sockets[0], "/mark")
        return Mark(*map(int, answer(self.sockets[0]).split()))


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(connection: socket.socket, path: str) -> None:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def answer(connection: socket.socket) -> bytes:
    """Wait for an answer, and return its body."""
    received = receive(connection)
    while not is_whole(received):
        received += receive(connection)
    return received.partition(END)[2]


def is_whole(received: bytes) -> bool:
    """Return whether the answer is complete; raise if it is not the expected one."""
    head, end, body = received.partition(END)
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ConnectionError(f"the server answered {head.splitlines()[0]!r}, expected 200")
    return len(body) >= _content_length(head)


def receive(connection: socket.socket) -> bytes:
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
