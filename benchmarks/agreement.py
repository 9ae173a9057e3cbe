"""Do clients' percentiles of `loopwatch diagnose` agree with autocannon's?

Both get the same app, rate and duration. autocannon 9 must be on PATH or available to npx:
npm i -g autocannon@9

autocannon sends all requests of a connection's second at the beginning of that second. With one
request a second on each connection, and answers within that second, no request waits for an answer
before it is sent, so none that would have waited is omitted. Its own correction is off (-C): it
assumes that a request is due every millisecond, at any rate, and so invents values.

The app's loop is held for 0.3 s every 30/31 s, so successive seconds begin at each moment of a
period in turn.

    python benchmarks/agreement.py [--loop asyncio]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from loopwatch.tools.cli.child import serving

HERE = Path(__file__).resolve().parent
SHARE = 0.15  # the largest allowed difference
HELD, PERIOD = 0.3, 30 / 31  # s
RATE, DURATION = 20, 30  # requests/s, and connections; s
QUANTILES = ("p50", "p90", "p99")
LOOPS = ("asyncio", "uvloop")


async def answer(request: Request) -> PlainTextResponse:
    await asyncio.sleep(0.1)
    return PlainTextResponse("answer")


async def hold() -> None:
    due = time.monotonic()
    while True:
        time.sleep(HELD)
        due += PERIOD
        await asyncio.sleep(due - time.monotonic())


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    holding = asyncio.create_task(hold())
    yield
    holding.cancel()


app = Starlette(routes=[Route("/", answer)], lifespan=lifespan)


def autocannon() -> list[str]:
    """Return autocannon's command; without one, exit with instructions."""
    if found := shutil.which("autocannon"):
        return [found]
    npx = shutil.which("npx")
    if npx is not None:
        known = subprocess.run(
            [npx, "--no-install", "autocannon", "--version"], capture_output=True, check=False
        )
        if known.returncode == 0:
            return [npx, "--no-install", "autocannon"]
    raise SystemExit("agreement: needs autocannon 9 on PATH or in npx: npm i -g autocannon@9")


def by_autocannon(command: list[str], loop: str) -> Mapping[str, float]:
    """Return autocannon's percentiles, s."""
    arguments = ["agreement:app", f"--loop={loop}", "--port=0", "--admin-port=0"]
    with serving(arguments) as (_, served):
        rate = ["-C", "-R", str(RATE), "-c", str(RATE), "-d", str(DURATION)]
        done = subprocess.run([*command, "-j", *rate, served.app], capture_output=True, check=True)
    latency: dict[str, Any] = json.loads(done.stdout)["latency"]
    return {q: latency[q] / 1000 for q in QUANTILES}


def by_loopwatch(loop: str) -> Mapping[str, float]:
    """Return the client's percentiles in a report, s."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        command = [sys.executable, "-m", "loopwatch", "diagnose", "agreement:app", "--get", "/"]
        command += ["--rate", str(RATE), "--duration", str(DURATION), "--loop", loop]
        subprocess.run([*command, "--json", file.name], stdout=subprocess.DEVNULL, check=True)
        found: dict[str, float] = json.load(file)["routes"][0]["client"]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--loop", choices=LOOPS, action="append")
    given = parser.parse_args()
    command = autocannon()
    os.chdir(HERE)  # where the app is imported from
    agreed = True
    for loop in given.loop or LOOPS:
        theirs, ours = by_autocannon(command, loop), by_loopwatch(loop)
        for q in QUANTILES:
            apart = abs(ours[q] - theirs[q]) / theirs[q]
            agreed = agreed and apart <= SHARE
            print(
                f"{loop:8} {q}: autocannon {theirs[q] * 1000:4.0f} ms, "
                f"loopwatch {ours[q] * 1000:4.0f} ms, {apart:.1%} apart",
                flush=True,
            )
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
