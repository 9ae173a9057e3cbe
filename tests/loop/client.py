"""A client that notes when it sent, for an app that tells when it began: tests/apps/arrivals.py."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from tests.ports import HOST
from tests.serving import Server

JUMP = 0.05  # s: as far as the kernel's clock is off now and then
GET = b"GET /%s HTTP/1.1\r\nhost: here\r\n\r\n"


class Answer(NamedTuple):
    queued: float | None  # s, by the app
    began: float  # monotonic clock, s: when the app was called


@dataclass
class Client:
    """One connection, written to at known moments."""

    connection: socket.socket
    sent: float = 0.0  # monotonic clock, s: the last time
    received: bytes = b""

    def send(self, data: bytes) -> None:
        self.sent = time.monotonic()
        self.connection.sendall(data)

    def get(self, path: bytes = b"") -> None:
        self.send(GET % path)

    def block(self, seconds: float) -> None:
        self.get(b"block?%g" % seconds)

    def read(self) -> Answer:
        while b"\r\n\r\n" not in self.received:
            part = self.connection.recv(65536)
            assert part, f"the server closed after {self.received!r}"
            self.received += part
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.lower().splitlines()[1:])
        seconds = fields[b"x-queued"]
        return Answer(None if seconds == b"none" else float(seconds), float(fields[b"x-now"]))

    def wait(self) -> tuple[float, float]:
        """Return s that the last data sent were queued, by the app, and how wrong that is."""
        answer = self.read()
        assert answer.queued is not None
        error = abs(answer.queued - (answer.began - self.sent))
        assert error < JUMP
        return answer.queued, error


@contextmanager
def connected(server: Server, context: ssl.SSLContext | None = None) -> Iterator[Client]:
    with socket.create_connection((HOST, server.port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is None:
            yield Client(connection)
        else:
            with context.wrap_socket(connection) as wrapped:
                yield Client(wrapped)


def sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
