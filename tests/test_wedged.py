"""A loop that never comes back, under a real server: what is told meanwhile, and what is left."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection
from typing import Any

import httpx
import pytest

from .conftest import CHECKOUT, clean_environment
from .ports import HOST, free_port
from .serving import wait_for

pytestmark = pytest.mark.slow

PATIENCE = 20.0  # s for what takes 0.1 to 2 s
GAUGE = 'loopwatch_stall_in_progress_seconds{route="/wedge",site="tests.apps.wedged.wedge"} '


@dataclass
class Wedged:
    """A server whose loop can be wedged, its metrics port, and what it logs."""

    process: "subprocess.Popen[bytes]"
    port: int
    metrics: int
    log: Path

    def ask(self, path: str) -> httpx.Response:
        """Ask the port beside the app."""
        return httpx.get(f"http://{HOST}:{self.metrics}{path}", trust_env=False, timeout=PATIENCE)

    def livez(self) -> tuple[int, dict[str, Any]]:
        answer = self.ask("/livez")
        return answer.status_code, json.loads(answer.text)

    def wedge(self) -> tuple[int, dict[str, Any]]:
        """Ask for what never answers; return the first answer from `/livez` that says so."""
        told: list[tuple[int, dict[str, Any]]] = []

        def is_held() -> bool:
            told.append(self.livez())
            return bool(told[-1][1]["state"] == "held")

        with create_connection((HOST, self.port)) as connection:
            connection.sendall(f"GET /wedge HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
            self.until(is_held)
        return told[-1]

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to be so."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)


@contextmanager
def wedged(loop: str, log: Path) -> Iterator[Wedged]:
    port, metrics = free_port(), free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.apps.wedged:app", "--host", HOST]
    options = ["--port", str(port), "--loop", loop, "--log-level", "warning"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *options],
            cwd=CHECKOUT,
            env=clean_environment() | {"METRICS": str(metrics)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(port, process)
            httpx.get(f"http://{HOST}:{port}/", trust_env=False, timeout=PATIENCE)
            server = Wedged(process, port, metrics, log)
            assert server.livez()[0] == 200
            yield server
        finally:
            process.kill()
            process.wait(timeout=20)


def test_it_is_told_while_it_lasts_and_is_left_after_a_kill(loop: str, tmp_path: Path) -> None:
    with wedged(loop, tmp_path / "log") as server:
        code, answer = server.wedge()
        assert (code, answer["state"]) == (200, "held")
        server.until(lambda: GAUGE in server.ask("/metrics").text)
        server.until(lambda: "has been holding" in server.log.read_text())
        server.until(lambda: server.livez()[0] == 503)
        code, answer = server.livez()
        assert answer["culprit"]["route"] == "/wedge"
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(timeout=20)
        left = server.log.read_text()
    first, _, _ = left.partition("\n")
    assert re.match(r"GET /wedge has been holding the loop for \d+\.\d s at ", first)
    assert "LOCK.acquire() in tests.apps.wedged.wedge [blocking_call]" in first
