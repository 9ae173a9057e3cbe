"""User-space instructions per request, counted by callgrind.

Only the loop thread is counted (`--separate-threads=yes`). A server under callgrind is tens of
times slower than normal, so timed work happens that many times too often per request. So a
watchdog's cost is measured as CPU time and idle cost instead, and the server's own housekeeping is
postponed. Fast steps must not look slow: the performance counters tick evenly (see evenclock.py),
and other thresholds in seconds are multiplied by DILATION.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from child import Child, Setup, serving
from client import Client

DILATION = 50.0
WARM_UP = 300
LOOKS = 2000
NEEDED = ("valgrind", "callgrind_control")


def per_request(setup: Setup, requests: int, batches: int) -> list[float]:
    """One figure per batch, excluding start-up, warm-up and the marks between batches."""
    with TemporaryDirectory() as folder:
        out = Path(folder, "out")
        with serving(setup, callgrind(out), DILATION) as child:
            start_counting(child)
            drive(child, requests, batches)
            return _figures(out, requests, batches)


def over(base: Setup, other: Setup, requests: int, batches: int) -> list[float]:
    """`other` over `base`, once per batch."""
    one, two = (per_request(setup, requests, batches) for setup in (base, other))
    return [mine / its for its, mine in zip(one, two, strict=True)]


def callgrind(out: Path, *more: str) -> list[str]:
    return [
        *("valgrind", "-q", "--tool=callgrind", "--separate-threads=yes", "--instr-atstart=no"),
        *("--dump-before=getloadavg", f"--callgrind-out-file={out}"),
        *more,
    ]


def start_counting(child: Child) -> None:
    command = ["callgrind_control", "-i", "on", str(child.pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "OK" not in done.stdout:
        raise RuntimeError(f"callgrind_control could not switch counting on: {done.stdout.strip()}")


def drive(child: Child, requests: int, batches: int) -> None:
    def rest() -> None:
        _wait_until_idle(child.pid)

    with Client(child.port) as client:
        client.load(WARM_UP)
        for size in [0, 0, *[requests] * batches]:
            client.mark()
            client.load(size, rest)
        client.mark()


def _wait_until_idle(pid: int) -> None:
    """Otherwise it is random whether a request arrives in the tick of the last one or later."""
    stat = Path(f"/proc/{pid}/stat")
    asleep = 0
    for _ in range(LOOKS):
        time.sleep(0.0005)
        state = stat.read_text().rpartition(")")[2].split()[0]
        asleep = asleep + 1 if state == "S" else 0
        if asleep == 3:
            return


def _figures(out: Path, requests: int, batches: int) -> list[float]:
    """Each mark dumps twice, so batch n ends with part 2n + 1; the first two are empty."""
    totals = [_total(out.with_name(f"out.{2 * n + 1}-01")) for n in range(1, batches + 3)]
    empty = totals[1]
    return [(total - empty) / requests for total in totals[2:]]


def _total(part: Path) -> int:
    for line in part.read_text().splitlines():
        if line.startswith("totals:"):
            return int(line.split()[1])
    raise RuntimeError(f"callgrind wrote no total into {part.name}")
