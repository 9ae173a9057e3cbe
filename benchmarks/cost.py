"""The cost of loopwatch per HTTP request, compared with similar tools.

    pip install -e '.[bench]'       (and valgrind, from the system's packages)
    python benchmarks/cost.py       (everything)
    python benchmarks/cost.py --quick --variants loopwatch --measures instructions

Two apps (a bare Starlette route; a FastAPI route with a response model and three awaits), two
loops, one uvicorn worker, ten keep-alive connections from another process. Four measures:

- instructions: user-space instructions of the loop thread, counted by callgrind: the stable figure.
  It excludes a watchdog thread, which wakes far too often per request under callgrind. It excludes
  slow steps: the performance counters are replaced by even ones, or every step would look slow. It
  excludes automatic garbage collection, whose share of a batch is random; the CPU time has it.
- step: instructions per request of the FastAPI route when one of its steps looks 2 ms long, by the
  even clock, over the same route with that step short; loopwatch is on. All else is equal, so the
  difference is the cost of recording a long step.
- cpu: CPU time of the whole server at its natural speed, in turns with the bare app. The row "bare"
  is the bare app against itself: a smaller difference than that is noise.
- idle: the share of one core that an idle server takes.

opentelemetry-instrumentation-asgi gets a tracer provider of the SDK without an exporter; loopwatch
and all others run with only the OpenTelemetry API.

Exit status: 0; 1 with --check if loopwatch exceeds its bounds, which are in bounds.py; 2 if
something failed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import bounds
import cputime
import ending
import instructions
from child import HERE, NotMeasuredError, Setup
from needed import missing_modules, missing_programs
from plan import SHORT_STEP, Plan, parse
from progress import note
from results import Figures, Results

sys.path.insert(0, str(HERE.parent))


def main(arguments: Sequence[str] | None = None) -> int:
    plan = parse(arguments, __doc__ or "")
    if lacking := list(missing(plan)):
        print(*lacking, sep="\n", file=sys.stderr)
        return 2
    return report(measure(plan))


def missing(plan: Plan) -> Iterator[str]:
    yield from missing_modules(plan.loops, plan.variants)
    if {"instructions", "step"} & set(plan.measures):
        yield from missing_programs(instructions.NEEDED)


def measure(plan: Plan) -> Results:
    results = Results(plan)
    jobs = list(planned(plan))
    for number, (name, setup, figures) in enumerate(jobs, start=1):
        note(f"[{number}/{len(jobs)}] {name}: {setup}")
        if setup not in results.reasons:
            take(results, name, setup, figures)
    return results


def planned(plan: Plan) -> Iterator[tuple[str, Setup, Callable[[Setup], Figures]]]:
    for name, figures in methods(plan).items():
        for setup in plan.setups(name) if name in plan.measures else ():
            yield name, setup, figures


def methods(plan: Plan) -> dict[str, Callable[[Setup], Figures]]:
    return {
        "instructions": lambda s: instructions.per_request(s, plan.requests, plan.batches),
        "step": lambda s: instructions.over(
            replace(s, app=SHORT_STEP), s, plan.requests, plan.batches
        ),
        "cpu": lambda s: cputime.ratios(replace(s, variant="bare"), s, plan.requests, plan.rounds),
        "idle": lambda s: [cputime.idle_share(s, plan.idle_seconds)],
    }


def take(results: Results, name: str, setup: Setup, figures: Callable[[Setup], Figures]) -> None:
    began = time.perf_counter()
    try:
        results.figures[name, setup] = figures(setup)
    except (RuntimeError, OSError) as why:
        results.reasons[setup] = str(why)
        results.failed |= not isinstance(why, NotMeasuredError)
        return note(f"    n/a: {why}")
    shown = ", ".join(f"{figure:,.4g}" for figure in results.figures[name, setup])
    return note(f"    {shown}  ({time.perf_counter() - began:.0f} s)")


def report(results: Results) -> int:
    print(results.tables())
    if results.plan.json:
        results.plan.json.write_text(results.json() + "\n")
    broken = bounds.broken(results) if results.plan.check else ()
    return ending.status(broken, failed=results.failed)


if __name__ == "__main__":
    ending.run(main, "benchmarks/cost.py")
