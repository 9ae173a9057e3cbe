"""A real uvicorn in a process of its own, with a second door to read what loopwatch says."""

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from .conftest import CHECKOUT, clean_environment
from .ports import HOST, free_port

PATIENCE = 60.0  # s for a server to start or answer, on a crowded machine
SETTLE = 0.2  # s for the watchdog to have looked at what has ended


@dataclass(frozen=True)
class Server:
    """A running server: its app, and the door beside it (see tests/apps/door.py)."""

    port: int
    door: int
    client: httpx.Client
    process: int  # its id

    def get(self, path: str) -> httpx.Response:
        return self.client.get(f"http://{HOST}:{self.port}{path}")

    def read(self, what: str) -> Any:
        """Return what the app's process shows at its door, as JSON."""
        answer = self.client.get(f"http://{HOST}:{self.door}/{what}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def clear(self) -> None:
        """Begin afresh: only stalls from now on are in `stalls`."""
        time.sleep(SETTLE)
        self.read("clear")

    def stalls(self) -> list[dict[str, Any]]:
        time.sleep(SETTLE)
        stalls: list[dict[str, Any]] = self.read("stalls")
        return stalls

    def talk(self, request: bytes, patience: float = 10.0) -> bytes:
        """Send raw bytes, and return all that comes back until the server closes."""
        with socket.create_connection((HOST, self.port), timeout=patience) as connection:
            connection.sendall(request)
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
        return b"".join(parts)


@contextmanager
def serve(
    app: str, loop: str, *, package: str = "tests.apps", **environment: str
) -> Iterator[Server]:
    """Serve `<package>.<app>` with uvicorn on `loop`, and end it afterwards."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"{package}.{app}", "--host", HOST]
    options = ["--port", str(port), "--loop", loop, "--log-level", "warning"]
    with launch([*command, *options], port, **environment) as server:
        yield server


@contextmanager
def launch(command: list[str], port: int, **environment: str) -> Iterator[Server]:
    """Run a command that serves at a port, and end it afterwards."""
    door = free_port()
    with (
        tempfile.TemporaryFile("w+") as output,
        httpx.Client(trust_env=False, timeout=PATIENCE) as client,
    ):
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=clean_environment() | {"DOOR": str(door), "PYTHONHASHSEED": "0"} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(port, process)
            yield Server(port, door, client, process.pid)
        finally:
            process.terminate()
            process.wait(timeout=20)
            output.seek(0)
            print(output.read())  # pytest shows it if the test failed


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, f"no server within {PATIENCE} s"
            time.sleep(0.05)


class Visitor:
    """A client that costs little: one connection, one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, server: Server) -> "Visitor":
        return cls(*await asyncio.open_connection(HOST, server.port))

    async def get(self, path: str) -> Any:
        """Return the JSON body of a successful answer."""
        self.writer.write(f"GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return json.loads(await self.reader.readexactly(length))

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()
