"""What `loopwatch attach` costs the process that it looks at: CPU time of a request.

    python benchmarks/attached.py      (a minute)

A bare FastAPI app serves requests while `loopwatch attach` looks at it from outside, and while that
is stopped (SIGSTOP), by turns; each ratio is of two neighbours. CPU time is user and system, of all
threads of the app. It wants Linux, py-spy, and permission to trace.

Instructions cannot be counted here: valgrind's process is no Python to py-spy, and a counter of the
machine's is not everywhere. Nothing is written to the process, and nothing runs in it, so user
instructions cannot change; reading its memory and its system call may take the kernel's locks.

Exit status: 0; 2 if something failed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

import ending
from argument import parser_of, whole
from child import HERE, Setup, environment, serving
from client import Client
from progress import note
from table import markdown

WARM_UP = 500
REQUESTS, ROUNDS = 3000, 15
FINDS_IT = 4.0  # s until it has found the loop
LOOPS = ("asyncio", "uvloop")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__ or "")
    add = parser.add_argument
    add("--requests", type=whole(100, 10**6, REQUESTS), default=REQUESTS, metavar="N")
    add("--rounds", type=whole(1, 1000, ROUNDS), default=ROUNDS, metavar="N")
    chosen = parser.parse_args(arguments)
    head = ("fastapi", "CPU µs a request, alone", "attached, over that", "rounds from to")
    rows = []
    for loop in LOOPS:
        alone, ratios = measured(Setup("fastapi", loop, "bare"), chosen.requests, chosen.rounds)
        note(f"{loop}: {median(ratios) - 1:+.1%}")
        spread = f"{min(ratios) - 1:+.1%} to {max(ratios) - 1:+.1%}"
        rows.append([loop, f"{alone / 1e3:.0f}", f"{median(ratios) - 1:+.1%}", spread])
    print(markdown(head, rows))
    return 0


def measured(setup: Setup, requests: int, rounds: int) -> tuple[float, list[float]]:
    """Return CPU ns of a request alone, and the ratio of each round."""
    alone, ratios = [], []
    with serving(setup) as app, Client(app.port) as client, looking_at(app.pid) as looks:
        client.load(WARM_UP)
        time.sleep(FINDS_IT)
        for number in range(rounds):
            used = {}
            for stopped in (number % 2 == 0, number % 2 != 0):
                os.kill(looks, signal.SIGSTOP if stopped else signal.SIGCONT)
                began = client.mark().began
                client.load(requests)
                used[stopped] = (client.mark().ended - began) / requests
            alone.append(used[True])
            ratios.append(used[False] / used[True])
    return median(alone), ratios


@contextmanager
def looking_at(pid: int) -> Iterator[int]:
    """Attach to a process, and return the id of what looks at it."""
    words = [sys.executable, "-m", "loopwatch", "attach", str(pid), "--outside"]
    env = environment() | {"PYTHONPATH": str(HERE.parent)}
    process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process.pid
        os.kill(process.pid, signal.SIGCONT)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        if process.returncode:
            raise RuntimeError(f"loopwatch attach failed: {errors.decode(errors='replace')}")
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    ending.run(main, "benchmarks/attached.py")
