"""`loopwatch run` in a process of its own."""

import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.conftest import CHECKOUT, clean_environment

APPS = Path(__file__).parent / "apps"
PATIENCE = 60.0  # s for a server to start, on a crowded machine
SAID = re.compile(r"^loopwatch: \S+ on (\S+); live page (\S+)/, metrics (\S+)/metrics$", re.M)


def environment(**more: str) -> dict[str, str]:
    return clean_environment() | {"PYTHONPATH": str(CHECKOUT)} | more


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "loopwatch", *arguments]


def loopwatch(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=APPS,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@dataclass
class Run:
    """A running `loopwatch run`."""

    process: "subprocess.Popen[str]"
    output: Path  # its own handle to read by: a shared one would move where the process writes
    client: httpx.Client
    app: str = ""
    admin: str = ""

    def said(self) -> str:
        return self.output.read_text()

    def get(self, url: str, patience: float = 20.0, **headers: str) -> httpx.Response:
        answer = self.client.get(url, headers=headers, timeout=patience)
        assert answer.status_code == 200, answer.text
        return answer

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


@contextmanager
def running(target: str, *options: str, **more: str) -> Iterator[Run]:
    """Serve one of the apps on free ports until it answers, and end it afterwards."""
    arguments = ("run", target, "--port", "0", "--admin-port", "0", *options)
    with tempfile.NamedTemporaryFile("w+") as output, httpx.Client(trust_env=False) as client:
        process = subprocess.Popen(
            command(*arguments),
            cwd=APPS,
            env=environment(**more),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
        run = Run(process, Path(output.name), client)
        try:
            wait_until_up(run)
            yield run
        finally:
            process.kill()
            process.wait(timeout=20)
            print(run.said())  # pytest shows it if the test failed


def wait_until_up(run: Run) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ((said := SAID.search(run.said())) and "startup complete" in run.said()):
        assert run.process.poll() is None, run.said()
        assert time.monotonic() < deadline, f"not up within {PATIENCE} s: {run.said()}"
        time.sleep(0.05)
    run.app, run.admin, _ = said.groups()
