"""Does a replay predict the latency that is measured after the real fix?

Each app is loaded before its fix: a replay predicts p50, p90 and p99 by route. Then the fixed app
gets the same load, and both the server and the client measure. A prediction may be 20 % or 5 ms
beside one of them, whichever is more. (A client's latency has its own time in it. The server's
lacks what a loop waits for the GIL before it reads a request.) With `--check` the exit code is 1 if
one is further away. The machine has to be quiet.

    python benchmarks/replay.py [--loop asyncio] [--case "shop thread"] [--seconds 20] [--check]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loopwatch.core.quantiles import Quantiles
from loopwatch.tools.diagnose.load import Load
from loopwatch.tools.diagnose.plan import Plan, Shot

HERE = Path(__file__).resolve().parent
SHARE, SECONDS = 0.2, 0.005  # of what is measured; s: the one that is more
LOOPS = ("asyncio", "uvloop")
QUANTILES = ("p50", "p90", "p99")
Weights = dict[str, float]  # by path
Paths = dict[str, str]
Results = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One app, and one way to fix it."""

    app: str
    fix: str  # as a replay names it
    rate: float
    paths: Weights
    routes: Paths  # that are compared: the route of each path
    fixed: Weights | None = None  # the load of the fixed app; None: the same


SHOP = {"/items/7": 6.0, "/search": 1.0, "/orders": 4.0}
SHOP_ROUTES = {"/items/7": "/items/{item_id}", "/orders": "/orders"}
DEMO = {"/dependency/threaded": 4.0, "/child-task/waiting": 4.0}
DEMO_ROUTES = {path: path for path in DEMO}
CASES = {
    "shop thread": Case("shop", "thread", 30, SHOP, SHOP_ROUTES),
    "shop process": Case("shop", "process", 30, SHOP, SHOP_ROUTES),
    "shop removed": Case("shop", "removed", 30, SHOP, SHOP_ROUTES),
    "semaphore 22_s": Case("queue", "places", 22, {"/q": 1.0}, {"/q": "/q"}),
    "semaphore 30_s": Case("queue", "places", 30, {"/q": 1.0}, {"/q": "/q"}),
    "demo sleep": Case(
        *("demo", "thread", 25, DEMO | {"/sleep/async-def": 1.0}, DEMO_ROUTES),
        DEMO | {"/sleep/to-thread": 1.0},
    ),
    "demo cpu thread": Case(
        *("demo", "thread", 20, DEMO | {"/cpu/async-def?n=2000000": 0.6}, DEMO_ROUTES),
        DEMO | {"/cpu/def?n=2000000": 0.6},
    ),
    "demo cpu process": Case(
        *("demo", "process", 20, DEMO | {"/cpu/async-def?n=2000000": 0.6}, DEMO_ROUTES),
        DEMO | {"/cpu/process-pool?n=2000000": 0.6},
    ),
    "demo child task": Case(
        *("demo", "thread", 20, DEMO | {"/child-task/blocking": 0.6}, DEMO_ROUTES),
        DEMO | {"/child-task/waiting": 4.6},
    ),
}


def measured(app: str, fix: str, loop: str, plan: Plan) -> Results:
    """Return what a process tells after a load."""
    command = [sys.executable, str(HERE / "replayed.py"), app, fix, loop]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        port = process.stdout.readline().strip()
        tally = asyncio.run(Load(plan, f"http://127.0.0.1:{port}").run())
        process.stdin.write("end\n")
        process.stdin.flush()
        results: Results = json.loads(process.stdout.readline())
    paths = [shot.path for shot in plan.shots]
    seen: dict[str, list[float]] = {}
    for sample in tally.samples:
        seen.setdefault(paths[sample.kind], []).append(sample.latency)
    results["client"] = {path: asdict(Quantiles.of(each)) for path, each in seen.items()}
    return results


def load(paths: Weights, rate: float, seconds: float) -> Plan:
    shots = (Shot(method="GET", path=p, headers={}, weight=w) for p, w in paths.items())
    return Plan(shots=tuple(shots), rate=rate, rate_end=rate, duration=seconds)


def compared(
    name: str, case: Case, loop: str, before: Results, seconds: float
) -> Iterator[tuple[bool, str]]:
    """Yield whether each route is within the bound, and a line that shows it."""
    after = measured(case.app, case.fix, loop, load(case.fixed or case.paths, case.rate, seconds))
    predicted = before["predicted"].get(case.fix, {"reason": "there is none", "routes": {}})
    for path, route in case.routes.items():
        was, then, seen = before["measured"][route], after["measured"][route], after["client"][path]
        told = predicted["routes"].get(route)
        if told is None:
            yield False, f"{loop:8} {name:18} {route:28} no prediction: {predicted['reason']}"
            continue
        cells = [f"{was[q]:.3f} {told[q]:.3f} {then[q]:.3f} {seen[q]:.3f}" for q in QUANTILES]
        good = all(is_near(told[q], then[q]) or is_near(told[q], seen[q]) for q in QUANTILES)
        mark = "" if good else "  beyond the bound"
        yield good, f"{loop:8} {name:18} {route:28} {'   '.join(cells)}{mark}"


def is_near(told: float, true: float) -> bool:
    return abs(told - true) <= max(SHARE * true, SECONDS)


def run(cases: Sequence[str], loops: Sequence[str], seconds: float) -> bool:
    """Measure and print all cases; return whether all are within the bound."""
    print("s, for each quantile: before, predicted, after the fix by the server, and by the client")
    print(f"{'':57}{'p50':26}{'p90':26}p99")
    known: dict[str, Results] = {}
    within = True
    for loop in loops:
        for name in cases:
            case = CASES[name]
            key = f"{loop} {case.app} {case.rate} {case.paths}"
            if key not in known:
                plan = load(case.paths, case.rate, seconds)
                known[key] = measured(case.app, "none", loop, plan)
            for good, line in compared(name, case, loop, known[key], seconds):
                within = within and good
                print(line, flush=True)
    return within


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loop", choices=LOOPS, action="append")
    parser.add_argument("--case", choices=[*CASES], action="append")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    within = run(given.case or [*CASES], given.loop or LOOPS, given.seconds)
    return 1 if given.check and not within else 0


if __name__ == "__main__":
    raise SystemExit(main())
