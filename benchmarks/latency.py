"""What loopwatch adds to latency and CPU time under load, compared with the bare app.

    pip install -e '.[bench]'
    python benchmarks/latency.py --check      (8 minutes)
    python benchmarks/latency.py --quick --apps fastapi --loops uvloop

An open load: requests arrive as a Poisson process, planned from a seed, on 16 keep-alive
connections from another process. A request's latency counts from its planned moment. The rate
keeps the bare server 60 % busy; it is measured first.

The servers take turns: bare, bare again, loopwatch; the next round begins with the next one. Each
ratio is to the bare app of the same round, which had the same arrivals. The ratio of "bare again"
is noise, and so is any smaller difference. A round in which other processes had the processors is
repeated.

Python's own part in p99 is full garbage collections; each holds a server for some 20 ms. A server
that falls behind has more requests in flight. More of their objects outlive a small collection, so
a full one is due sooner. This can go on for seconds.

Exit status: 0; 1 with --check if loopwatch exceeds its bounds; 2 if something failed. In the median
of all rounds, CPU time a request may be 2 % over bare. p99 may be 15 % over bare, or as high as
the highest "bare again", if that is more.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

import ending
from child import HERE
from comparison import Comparison
from needed import missing_modules
from progress import note
from schedule import Schedule, parse
from turns import in_turns

sys.path.insert(0, str(HERE.parent))


def main(arguments: Sequence[str] | None = None) -> int:
    schedule = parse(arguments, __doc__ or "")
    if lacking := list(missing_modules(schedule.loops, schedule.variants)):
        print(*lacking, sep="\n", file=sys.stderr)
        return 2
    return report(compare(schedule))


def compare(schedule: Schedule) -> Comparison:
    comparison = Comparison(schedule)
    places = schedule.places()
    for number, (app, loop) in enumerate(places, start=1):
        note(f"[{number}/{len(places)}] {app} on {loop}")
        take(comparison, app, loop)
    return comparison


def take(comparison: Comparison, app: str, loop: str) -> None:
    began = time.perf_counter()
    try:
        comparison.turns[app, loop] = in_turns(app, loop, comparison.schedule)
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as why:
        comparison.reasons[app, loop] = str(why)
        return note(f"    n/a: {why}")
    return note(f"    done  ({time.perf_counter() - began:.0f} s)")


def report(comparison: Comparison) -> int:
    print(comparison.table())
    if comparison.schedule.json:
        comparison.schedule.json.write_text(comparison.json() + "\n")
    exceeded = comparison.exceeded() if comparison.schedule.check else ()
    return ending.status(exceeded, failed=bool(comparison.reasons))


if __name__ == "__main__":
    ending.run(main, "benchmarks/latency.py")
