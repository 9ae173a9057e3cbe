"""The server of a metrics port: what connections may cost."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from loopwatch.exporters import http_server as module
from loopwatch.exporters.http_server import BoundedServer, start_http_server
from tests.ports import HOST

PATIENCE = 10.0  # s
CROWD = 300  # idle connections


class App:
    """Answers, or waits to be let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.waiting = 0

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/wait":
            self.waiting += 1
            assert self.go.wait(PATIENCE)
        if environ["PATH_INFO"] == "/raise":
            raise KeyError("x")
        start_response("200 OK", [("content-type", "text/plain")])
        return [b"answer"]


@contextmanager
def serving(app: Any) -> Iterator[BoundedServer]:
    server = start_http_server(0, HOST)
    server.set_app(app)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


def connected(server: BoundedServer, text: str = "") -> socket.socket:
    connection = socket.create_connection((HOST, server.server_port), PATIENCE)
    connection.sendall(text.encode())
    return connection


def asked(server: BoundedServer, path: str = "/") -> bytes:
    """Return all of what comes back; nothing if the connection is closed without an answer."""
    with closing(connected(server, f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")) as client:
        try:
            return client.makefile("rb").read()
        except ConnectionResetError:
            return b""


def test_idle_connections_take_few_descriptors_and_others_are_answered() -> None:
    with serving(App()) as server, ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(closing(connected(server, "GET / HT")))
        assert asked(server).endswith(b"answer")
        assert len(server._open) <= module.CONNECTIONS
        threads = [t for t in threading.enumerate() if "process_request_thread" in t.name]
        assert len(threads) <= module.CONNECTIONS + 3


def test_who_does_not_ask_in_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Handler, "timeout", 0.1)
    with serving(App()) as server, closing(connected(server, "GET / HT")) as client:
        assert client.recv(1) == b""


def test_answers_under_way_are_not_given_up_for_newcomers() -> None:
    app = App()
    with serving(app) as server, ExitStack() as crowd:
        request = "GET /wait HTTP/1.1\r\n\r\n"
        waiting = [
            crowd.enter_context(closing(connected(server, request)))
            for _ in range(module.CONNECTIONS)
        ]
        deadline = time.monotonic() + PATIENCE
        while app.waiting < module.CONNECTIONS:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert asked(server) == b""
        app.go.set()
        for client in waiting:
            assert client.makefile("rb").read().endswith(b"answer")
        assert asked(server).endswith(b"answer")


def test_nothing_is_printed_whatever_clients_do(capfd: pytest.CaptureFixture[str]) -> None:
    with serving(App()) as server:
        connected(server).close()
        connected(server, "nonsense\r\n\r\n").close()
        assert b"500" in asked(server, "/raise")
        assert asked(server).endswith(b"answer")
    assert capfd.readouterr() == ("", "")
