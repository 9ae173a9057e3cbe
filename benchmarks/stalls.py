"""The cost of stalls to loopwatch's own threads: of a new stack, of a known one, and in a storm.

    python benchmarks/stalls.py            (about two minutes)
    python benchmarks/stalls.py --quick

Each stack is 64 frames deep. `explaining` is the CPU time from the evidence to the stall; `whole`
is that of the watchdog's and the delivery's threads for each stall, samples and looks included. In
a storm a loop stalls all the time; CPU time is a share of one core. Then the watchdog over loops
with nothing to do, and over one that wakes every 50 ms.

Exit status: 0; 1 with --check if a bound is exceeded.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from table import markdown

from loopwatch import Watch
from loopwatch.core.evidence import Sample, Slow, Usage
from loopwatch.core.stack import Stack
from loopwatch.loop.loop_state import clock
from loopwatch.watch.reporter import Reporter
from loopwatch.watchdog.stack_sample import sample_stack

DEPTH = 64  # frames
LINES = 10  # of each function: a module has 640
LOOPS = ("asyncio", "uvloop")
OWN = ("loopwatch-watchdog", "loopwatch-delivery")
KNOWN = 0.35  # of a new stack's cost, at most, to explain a known one
SHARE = 0.05  # of a core: the default budget
SAVED = 2.0  # s of it that are saved up as a storm begins
TOLERANCE = 0.03  # CPU s: what is under way as a storm ends
IDLE = {(1, 0.0): 0.001, (100, 0.0): 0.003, (1, 0.05): 0.003}  # loops, s between wakes: of a core

Block = Callable[[Any], None]


class Row(NamedTuple):
    """One line of a table: what, and its figures as text."""

    cells: list[str]
    holds: bool


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer stalls, shorter storms")
    parser.add_argument("--check", action="store_true", help="exit with 1 beyond a bound")
    given = parser.parse_args(arguments)
    stacks, seconds = (20, 3.0) if given.quick else (60, 10.0)
    loops = [name for name in LOOPS if importlib.util.find_spec(name)]
    with tempfile.TemporaryDirectory() as directory:
        sys.path.insert(0, directory)
        make = Maker(Path(directory))
        tables = (
            (["a stall", "new stack", "known stack", "known / new"], explaining(make, stacks)),
            (["whole, by loop", "new stack", "known stack", ""], whole(make, loops, stacks)),
            (["storm", "stalls/s", "not explained", "own CPU"], storms(make, loops, seconds)),
            (["watchdog over", "wakes/s", "own CPU", ""], idle(loops, seconds)),
        )
    holds = True
    for head, rows in tables:
        print(markdown(head, (row.cells for row in rows)), end="\n\n")
        holds &= all(row.holds for row in rows)
    return int(given.check and not holds)


class Maker:
    """Makes functions that block at the bottom of a stack of their own."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._made = directory, 0

    def __call__(self, count: int, call: str = "time.sleep(given)") -> list[Block]:
        return [self._one(call) for _ in range(count)]

    def _one(self, call: str) -> Block:
        self._made += 1
        name, padding = f"deep_{self._made}", "    x = 1\n" * (LINES - 2)
        functions = (
            f"def f{depth}(given):\n{padding}    f{depth + 1}(given)\n"
            for depth in range(DEPTH - 1)
        )
        last = f"def f{DEPTH - 1}(given):\n    {call}\n"
        text = f"import time\n{''.join(functions)}{last}"
        (self._directory / f"{name}.py").write_text(text, "utf-8")
        importlib.invalidate_caches()
        block: Block = importlib.import_module(name).f0
        return block


# ---------------------------------------------------------------- one stall


class Collected:
    """A loop of which one slow callback has been collected."""

    def __init__(self, slow: Slow) -> None:
        self._slows = [slow]

    def take_pending(self) -> list[Slow]:
        taken, self._slows = self._slows, []
        return taken


def explaining(make: Maker, count: int) -> list[Row]:
    reporter, blocks = Reporter([]), make(count, "given.wait()")
    new, known = (median(explained(reporter, block) for block in blocks) for _ in range(2))
    cells = ["explaining", micro(new), micro(known), f"{known / new:.2f}"]
    return [Row(cells, known <= KNOWN * new)]


def explained(reporter: Reporter, block: Block) -> float:
    """Return the CPU seconds to explain a stall of three samples of one stack."""
    loops: Any = [Collected(evidence(block))]
    began = time.thread_time()
    reporter.explain(loops)
    return time.thread_time() - began


def evidence(block: Block) -> Slow:
    over = threading.Event()
    thread = threading.Thread(target=block, args=(over,))
    thread.start()
    time.sleep(0.002)
    at, spots = clock(), Stack(sample_stack(thread.ident or 0))
    over.set()
    thread.join()
    samples = [Sample(at + after, False, spots, 0.0, parked=True) for after in (0.05, 0.075, 0.11)]
    usage = Usage(cpu=0.001, gil_wait=0.0, queued=0.0)
    return Slow(at, 0.12, "MainThread", samples=samples, usage=usage)


def whole(make: Maker, loops: list[str], count: int) -> list[Row]:
    return [Row([loop, *map(micro, on_loop(make, loop, count)), ""], True) for loop in loops]


def on_loop(make: Maker, loop: str, count: int) -> tuple[float, float]:
    """Return own CPU seconds for each stall on a loop, of new stacks and of known ones."""

    async def played() -> tuple[float, float]:
        blocks = make(count)
        with quiet_watch(cpu_budget=1.0):
            await asyncio.sleep(1.5)
            return await one_by_one(blocks), await one_by_one(blocks)

    found: tuple[float, float] = run_on(loop, played())
    return found


async def one_by_one(blocks: list[Block]) -> float:
    before = own_seconds()
    for block in blocks:
        block(0.12)
        await asyncio.sleep(0.13)
    return (own_seconds() - before) / len(blocks)


# ---------------------------------------------------------------- a storm


def storms(make: Maker, loops: list[str], seconds: float) -> list[Row]:
    thresholds = (0.1, 0.02, 0.002)
    return [storm(make, loop, threshold, seconds) for loop in loops for threshold in thresholds]


def storm(make: Maker, loop: str, threshold: float, seconds: float) -> Row:
    """Stall all the time, at another stack each time, for so many seconds."""

    async def played() -> tuple[int, int, int, float, float]:
        blocks, made = make(100), 0
        with quiet_watch(slow_callback_duration=threshold) as watch:
            await asyncio.sleep(0.5)
            before, began = own_seconds(), time.monotonic()
            while (took := time.monotonic() - began) < seconds:
                blocks[made % len(blocks)](threshold * 1.1)
                made += 1
                await asyncio.sleep(0.005)
            spent, snapshot = own_seconds() - before, watch.snapshot()
            return made, snapshot.stall_count, snapshot.dropped["budget"], spent, took

    made, counted, left_out, spent, took = run_on(loop, played())
    name = f"{loop}, threshold {threshold * 1e3:g} ms, {made} blocks, {counted} counted"
    cells = [name, f"{made / took:.0f}", str(left_out), percent(spent / took)]
    return Row(cells, spent <= SHARE * (took + SAVED) + TOLERANCE and counted >= made)


# ---------------------------------------------------------------- nothing to do


def idle(loops: list[str], seconds: float) -> list[Row]:
    return [idle_loops(loop, *case, seconds) for loop in loops for case in IDLE]


def idle_loops(loop: str, count: int, pause: float, seconds: float) -> Row:
    watch, ready, ends = quiet_watch(), threading.Semaphore(0), list[Callable[[], object]]()

    async def waiting() -> None:
        watch.start()
        running, end = asyncio.get_running_loop(), asyncio.Event()
        ends.append(lambda: running.call_soon_threadsafe(end.set))
        ready.release()
        while pause and not end.is_set():
            await asyncio.sleep(pause)
        await end.wait()

    threads = [threading.Thread(target=run_on, args=(loop, waiting())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    time.sleep(1.5)
    wakes_before, before = wakes(), own_seconds()
    time.sleep(seconds)
    spent, woken = (own_seconds() - before) / seconds, (wakes() - wakes_before) / seconds
    for end in ends:
        end()
    for thread in threads:
        thread.join()
    watch.stop()
    often = f", waking every {pause * 1e3:g} ms" if pause else ""
    name = f"{loop}, {count} loop{'s' * (count > 1)}{often}"
    return Row([name, f"{woken:.1f}", percent(spent), ""], spent <= IDLE[count, pause])


def wakes() -> int:
    """Return how often the watchdog has gone to sleep so far; Linux only."""
    thread = next(t for t in threading.enumerate() if t.name == OWN[0])
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text("ascii")
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


# ---------------------------------------------------------------- what all need


def quiet_watch(**options: Any) -> Watch:
    return Watch(registry=None, otel=False, log=False, **options)


def run_on(loop: str, played: Any) -> Any:
    made = asyncio.new_event_loop
    if loop != "asyncio":
        made = importlib.import_module(loop).new_event_loop
    with asyncio.Runner(loop_factory=made) as runner:
        return runner.run(played)


def own_seconds() -> float:
    """Return the CPU seconds of the watchdog and the delivery so far."""
    return sum(
        time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))
        for thread in threading.enumerate()
        if thread.name in OWN
    )


def micro(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} us"


def percent(share: float) -> str:
    return f"{100 * share:.3f} %"


if __name__ == "__main__":
    sys.exit(main())
