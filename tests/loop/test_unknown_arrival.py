"""Where nobody knows how long a request was in the kernel: nothing is told, nothing raised."""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient

from loopwatch.core import guard
from loopwatch.loop import arrival
from loopwatch.loop.arrival import queued
from tests.apps.arrivals import app
from tests.conftest import run_on
from tests.ports import HOST

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux's TCP_INFO tells")


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
