"""Starts the measured server, waits until it listens, and always ends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
START_WITHIN = 180.0
STOP_WITHIN = 10.0
FOREIGN = ("OTEL_", "FASTAPI_OTEL_", "LOOPWATCH_", "PROMETHEUS_", "PYTHON")


class NotMeasuredError(RuntimeError):
    """This combination cannot be measured; the message says why."""


@dataclass(frozen=True)
class Setup:
    app: str
    loop: str
    variant: str

    def __str__(self) -> str:
        return f"{self.app} on {self.loop}, {self.variant}"

    def arguments(self) -> list[str]:
        return ["--app", self.app, "--loop", self.loop, "--variant", self.variant]


@dataclass(frozen=True)
class Child:
    pid: int
    port: int


@contextmanager
def serving(
    setup: Setup, under: Sequence[str] = (), dilation: float = 1.0, processor: int | None = None
) -> Iterator[Child]:
    command = [*under, sys.executable, str(HERE / "server.py"), *setup.arguments()]
    command += ["--dilation", str(dilation)]
    command += ["--processor", str(processor)] if processor is not None else []
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment(), text=True)
    try:
        yield Child(process.pid, _port(process, setup))
    finally:
        _end(process, gently=not under)


def environment() -> dict[str, str]:
    """The environment without variables that switch anything on, and without random hashes."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    path = filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")])
    return mine | {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(path)}


def _port(process: subprocess.Popen[str], setup: Setup) -> int:
    said = json.loads(_first_line(process) or "{}")
    match said:
        case {"port": int(port)}:
            return port
        case {"missing": str(module)}:
            raise NotMeasuredError(f"the module {module} is not installed: pip install '.[bench]'")
        case {"not_applicable": str(reason)}:
            raise NotMeasuredError(reason)
    raise RuntimeError(f"the server for {setup} did not start; its own message is above")


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    deadline = threading.Timer(START_WITHIN, process.kill)
    deadline.start()
    try:
        return process.stdout.readline()
    finally:
        deadline.cancel()


def _end(process: subprocess.Popen[str], gently: bool) -> None:
    if not gently:  # callgrind would write one more profile, which is slow
        process.kill()
    try:
        process.communicate(timeout=STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
