"""Programs that are run with the start-up hook, and what they print."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.conftest import CHECKOUT
from tests.ports import HOST
from tests.tools.cli.running import command, environment

PATIENCE = 60.0  # s, on a crowded machine
APP = "tests.startup.app:app"


def watched(*words: str, options: tuple[str, ...] = ()) -> list[str]:
    return command("run", "--admin-port", "0", *options, "--", *words)


@contextmanager
def started(words: list[str], output: Path, **more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a program, its standard error in a file; what it leaves behind ends with it."""
    with output.open("wb") as errors:
        process = subprocess.Popen(
            words,
            cwd=CHECKOUT,
            env=environment(**more),
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        print(output.read_text(errors="replace"))


def hit_both_workers(port: int) -> set[str]:
    """Ask until two processes have answered, and return their ids."""
    pids, deadline = set[str](), time.monotonic() + PATIENCE

    def ask(number: int) -> str:
        try:
            return httpx.get(f"http://{HOST}:{port}/bad/{number}", timeout=20, trust_env=False).text
        except httpx.HTTPError:  # not up yet
            time.sleep(0.3)
            return ""

    with ThreadPoolExecutor(3) as pool:
        while len(pids) < 2:
            assert time.monotonic() < deadline, f"answers of {pids} alone"
            pids |= {*pool.map(ask, range(3))} - {""}
    return pids


def outcome(words: list[str], output: Path, number: signal.Signals | None) -> tuple[int, bytes]:
    """Return exit code and standard output of a program, which gets a signal once it is up."""
    with started(words, output) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        if number is not None:
            process.send_signal(number)
        rest = process.stdout.read()
        return process.wait(PATIENCE), first + rest


def run(words: list[str], **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        words,
        cwd=CHECKOUT,
        env=environment(**more),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE,
        check=False,
    )
