"""The demo under a real uvicorn, in a process of its own."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from ..ports import HOST, free_port

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # s for the demo to start, on a slow machine
SETTLE = 0.3  # s for a stall to be recorded


class Demo:
    """A running demo, and what loopwatch says of it."""

    def __init__(self, port: int) -> None:
        self.address = f"{HOST}:{port}"
        self.client = httpx.Client(base_url=f"http://{self.address}", timeout=20, trust_env=False)

    def stalls(self, since: float = 0.0) -> list[dict[str, Any]]:
        """Return the stalls that started after `since` (Unix time, s)."""
        time.sleep(SETTLE)
        answer = self.client.get("/loopwatch/stalls.json").json()
        stalls: list[dict[str, Any]] = answer["stalls"] if isinstance(answer, dict) else answer
        return [stall for stall in stalls if stall["started_at"] >= since]

    def is_up(self) -> bool:
        try:
            return self.client.get("/loopwatch/stalls.json").is_success
        except httpx.TransportError:
            return False


@contextmanager
def running_demo(loop: str, **env: str) -> Iterator[Demo]:
    """Serve the demo with uvicorn on `loop`, and end it afterwards."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "examples.demo.app:create_app"]
    options = ["--host", HOST, "--port", str(port), "--loop", loop, "--log-level", "warning"]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command + options,
            cwd=CHECKOUT,
            env=clean_environment() | env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        demo = Demo(port)
        try:
            wait_until_up(demo, process)
            yield demo
        finally:
            demo.client.close()
            process.terminate()
            process.wait(timeout=20)
            output.seek(0)
            print(output.read())  # pytest shows it if the test failed


def wait_until_up(demo: Demo, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while not demo.is_up():
        assert process.poll() is None, "the demo has ended"
        assert time.monotonic() < deadline, f"the demo did not start within {PATIENCE} s"
        time.sleep(0.1)


def clean_environment() -> dict[str, str]:
    """Return the environment without what would lead the demo elsewhere."""
    elsewhere = ("OPENAI_", "AZURE_OPENAI_", "DATABASE_URL", "DEMO_", "LOOPWATCH_")
    return {name: value for name, value in os.environ.items() if not name.startswith(elsewhere)}
