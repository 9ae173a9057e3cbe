"""Requests sent at known moments into a block: how long each was in the kernel.

The app tells when it began a request and the client knows when it sent it, by one clock. The
kernel's own is two of its ticks off at most, but where a busy host keeps a virtual machine from
turning it over it jumps now and then, so most have to be that near, and none far off.
"""

import asyncio
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient

from loopwatch.core import guard
from loopwatch.loop import arrival
from loopwatch.loop.arrival import queued
from tests.apps.arrivals import app
from tests.calm import in_calm
from tests.conftest import run_on
from tests.ports import HOST
from tests.serving import Server, serve

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux's TCP_INFO tells")

TICKS = 0.008  # s: two of the kernel's, at 250 Hz
JUMP = 0.05  # s
BLOCK = 0.5  # s
MOMENTS = (0.1, 0.2, 0.3, 0.45)  # s into it
GET = b"GET /%s HTTP/1.1\r\nhost: here\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\r\n"
)


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


@pytest.fixture(scope="module", params=["httptools", "h11"])
def server(loop: str, request: pytest.FixtureRequest) -> Iterator[Server]:
    kind = {"UVICORN_HTTP": request.param, "UVICORN_WS": "websockets-sansio"}
    with serve("arrivals:app", loop, UVICORN_LIFESPAN="off", **kind) as server:
        yield server


def sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


@pytest.mark.slow
@in_calm
def test_queued_is_the_time_from_sent_to_seen(server: Server) -> None:
    """On connections kept alive, on new ones, and for a WebSocket's handshake."""
    with ExitStack() as stack:
        blocker, *kept = (stack.enter_context(connected(server)) for _ in (0, *MOMENTS))
        for client in kept:
            client.get()
            client.wait()
        blocker.block(BLOCK)
        waiting: list[Client] = []
        for client, moment in zip(kept, MOMENTS, strict=True):
            sleep_until(blocker.sent + moment)
            new, socket_client = (stack.enter_context(connected(server)) for _ in range(2))
            client.get()
            new.get()
            socket_client.send(UPGRADE)
            waiting += [client, new, socket_client]
        answers = [client.wait() for client in waiting]
        assert statistics.median(error for _, error in answers) < TICKS
        assert min(queued for queued, _ in answers[:3]) > BLOCK / 2


@pytest.mark.slow
@in_calm
def test_the_second_in_a_pipeline_is_not_known(server: Server) -> None:
    """It waited for the first, whether it was sent with that or while that ran."""
    with connected(server) as client:
        client.send(GET % b"block?0.1" + GET % b"")
        client.wait()
        assert client.read().queued is None
        client.block(0.1)
        time.sleep(0.05)
        client.get()
        assert client.read().queued is not None
        assert client.read().queued is None


@pytest.mark.slow
@in_calm
def test_connection_is_right_again_after_a_pipeline(server: Server) -> None:
    with connected(server) as blocker, connected(server) as client:
        client.send(GET % b"block?0.05" + GET % b"")
        client.read()
        client.read()
        blocker.block(0.2)
        time.sleep(0.05)
        client.get()
        assert client.wait()[0] > 0.1


@pytest.mark.slow
@in_calm
def test_body_still_arriving_makes_it_the_age_of_the_last_part(server: Server) -> None:
    with connected(server) as blocker, connected(server) as client:
        blocker.block(0.3)
        time.sleep(0.05)
        client.send(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 6\r\n\r\none")
        time.sleep(0.1)
        client.send(b"two")
        assert client.wait()[0] > 0.1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate that it has signed itself."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs the program openssl for a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    key, own = folder / "key.pem", folder / "own.pem"
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "1"]
    subject = ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(own)]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    return key, own


@pytest.mark.slow
@in_calm
def test_tls_is_right_or_not_known(loop: str, certificate: tuple[Path, Path]) -> None:
    """Also where the handshake itself had to wait: the request came after it."""
    key, own = (str(path) for path in certificate)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    files = {"UVICORN_SSL_KEYFILE": key, "UVICORN_SSL_CERTFILE": own}
    with (
        serve("arrivals:app", loop, UVICORN_LIFESPAN="off", **files) as server,
        connected(server, context) as blocker,
        connected(server, context) as kept,
    ):
        kept.get()
        kept.read()
        blocker.block(0.3)
        time.sleep(0.1)
        kept.get()
        with connected(server, context) as new:
            new.get()
            answer = new.read()
            assert answer.queued is None or answer.queued < answer.began - new.sent + JUMP
        assert kept.wait()[0] > 0.1


def test_http_2_is_not_known() -> None:
    """Its requests share a connection, and the age is that of the last."""
    with socket_pair() as (_, served):
        assert queued({"type": "http", "http_version": "1.1"}, Cycle(served).receive) is not None
        assert queued({"type": "http", "http_version": "2"}, Cycle(served).receive) is None


class Cycle:
    """What uvicorn's `receive` belongs to."""

    def __init__(self, connection: Any) -> None:
        self.transport = self
        self.connection = connection

    def get_extra_info(self, name: str) -> Any:
        assert name == "socket"
        return self.connection

    async def receive(self) -> Any:
        raise AssertionError("nobody asked for it")


@contextmanager
def socket_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a TCP connection, the accepted one last."""
    with (
        socket.create_server((HOST, 0)) as listener,
        socket.create_connection(listener.getsockname()) as one,
        listener.accept()[0] as other,
    ):
        yield one, other


def test_unix_socket_is_not_known() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.send(b"something")
        assert queued({"type": "http"}, Cycle(other).receive) is None


def test_uvicorn_on_a_unix_socket_is_served_and_not_known(loop: str, tmp_path: Path) -> None:
    path = str(tmp_path / "door")
    config = uvicorn.Config(app, uds=path, lifespan="off", log_level="warning")

    async def main() -> None:
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        transport = httpx.AsyncHTTPTransport(uds=path)
        async with httpx.AsyncClient(transport=transport) as client:
            assert (await client.get("http://here/")).headers["x-queued"] == "None"
        server.should_exit = True
        await serving

    run_on(loop, main())


def test_closed_connection_is_not_known(loop: str) -> None:
    """The transport is still there, the socket is not; and no descriptor is left open."""
    found: list[float | None] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cycle = Cycle(writer.transport.get_extra_info("socket"))
        descriptors = len(os.listdir("/proc/self/fd"))
        found.extend(queued({"type": "http"}, cycle.receive) for _ in range(100))
        assert len(os.listdir("/proc/self/fd")) == descriptors
        writer.close()
        await writer.wait_closed()
        found.append(queued({"type": "http"}, cycle.receive))

    async def main() -> None:
        server = await asyncio.start_server(serve_one, HOST, 0)
        address = server.sockets[0].getsockname()
        _, writer = await asyncio.open_connection(*address)
        while len(found) < 101:
            await asyncio.sleep(0.01)
        writer.close()
        server.close()

    run_on(loop, main())
    assert None not in found[:100]
    assert found[100] is None


def test_in_process_there_is_nothing_to_know() -> None:
    async def main() -> str:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport) as client:
            answer: str = (await client.get("http://here/")).headers["x-queued"]
            return answer

    assert asyncio.run(main()) == "None"
    assert TestClient(app).get("/").headers["x-queued"] == "None"


def test_wrapped_receive_is_not_followed() -> None:
    """What a middleware did before it called on is not time in the kernel."""
    with socket_pair() as (_, served):
        cycle = Cycle(served)

        async def wrapped() -> Any:
            return await cycle.receive()

        assert queued({"type": "http"}, wrapped) is None


@pytest.mark.parametrize("receive", [None, print, object(), Cycle(None).receive])
def test_unknown_servers_tell_nothing(receive: Any) -> None:
    assert queued({"type": "http"}, receive) is None


def test_elsewhere_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "LINUX", False)
    with socket_pair() as (_, served):
        assert queued({"type": "http"}, Cycle(served).receive) is None


class Strange(socket.socket):
    """A socket that answers whatever it is told to."""

    answer = b""

    def getsockopt(self, *arguments: Any) -> Any:
        return self.answer


def test_kernel_that_leaves_the_times_out_is_not_believed() -> None:
    with Strange() as strange:
        strange.answer = bytes(arrival.TIMES.size)
        assert queued({"type": "http"}, Cycle(strange).receive) is None


def test_unexpected_error_is_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_told", {})
    with Strange() as strange:
        strange.answer = b"short"
        for _ in range(2):
            assert queued({"type": "http"}, Cycle(strange).receive) is None
    assert len(caplog.records) == 1
