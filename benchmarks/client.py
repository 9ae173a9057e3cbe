"""The load: one keep-alive connection, one request after the other."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

PATIENCE = 120.0


class Mark(NamedTuple):
    """CPU time of the server, in nanoseconds, at the end of one batch and the start of the next."""

    ended: int
    began: int


class Client:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def load(self, requests: int, between: Callable[[], None] = lambda: None) -> None:
        for _ in range(requests):
            self.get("/")
            between()

    def mark(self) -> Mark:
        return Mark(*map(int, self.get("/mark").split()))

    def get(self, path: str) -> bytes:
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head, body = self._head()
        length = _content_length(head)
        while len(body) < length:
            body += self._receive()
        return body

    def _head(self) -> tuple[bytes, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ConnectionError(f"the server answered {head.splitlines()[0]!r}, expected 200")
        return head, body

    def _receive(self) -> bytes:
        received = self.socket.recv(65536)
        if not received:
            raise ConnectionError("the server closed the connection before it had answered")
        return received


def _content_length(head: bytes) -> int:
    for line in head.splitlines():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ConnectionError("the server's answer has no content-length")
