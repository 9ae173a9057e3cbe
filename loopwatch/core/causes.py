"""The causes of stalls: one row each, with all that anybody is told of it.

The log, the page, the report, the advice and the documents are served from here. Which cause a
stall has is decided elsewhere, by rules over its evidence; a cause needs a row and a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

Cause = Literal[
    "blocking_call",
    "cpu",
    "native_gil",
    "gil_contention",
    "gc",
    "import",
    "starved",
    "many_callbacks",
    "unknown",
]

THREAD = "await asyncio.to_thread(...)"
PROCESS = "await loop.run_in_executor(ProcessPoolExecutor(...), ...)"
HELD = "{who} held the loop {duration:.3f} s{place}"


class CauseRow(NamedTuple):
    """One cause. `meaning`, `evidence` and `remedy` are Markdown, without a full stop."""

    name: Cause
    label: str  # for people, in a few words
    meaning: str  # what the loop's thread did: it ...
    evidence: str  # what shows that
    advice: str  # for one stall of which no better is known; a table with gaps to fill
    remedy: str = ""  # what to do, for readers of the documents
    runbook: str = ""  # the one to see, if any
    call: tuple[str, ...] = ()  # what a call to blame may have done: waits, works; none: innocent
    advice_if: Mapping[str, str] = MappingProxyType({})  # the same, in a circumstance
    sentence: str = HELD  # in the log
    sentence_if: str = ""  # only of a stall with this: threads, no_line; else `sentence_else`
    sentence_else: str = HELD


ROWS = (
    CauseRow(
        name="blocking_call",
        label="blocking call",
        meaning="waited in a synchronous call: sleep, socket, file, lock, subprocess",
        evidence="neither on the CPU nor in the run queue, and did not ask for the GIL",
        remedy="await the asynchronous version of the call, or move the call to a thread: "
        f"`{THREAD}`",
        call=("waits",),
        advice=f"Use an asyncio library for this, or {THREAD}: it waits, and holds the loop.",
    ),
    CauseRow(
        name="cpu",
        label="CPU work",
        meaning="ran Python code, or C code that released the GIL",
        evidence="CPU time, and the watchdog could read the stack at once",
        remedy="do less work at a time, or use another process; a thread helps only where C code "
        "releases the GIL",
        call=("works",),
        advice=f"Do this in another process: {PROCESS}. A thread would not help: Python code on "
        "the CPU keeps the GIL.",
        advice_if={
            "GIL let go": f"Use {THREAD}: this C code lets the GIL go, so a thread does help.",
            "on what may be a file": f"Use {THREAD} (or anyio.Path, aiofiles) if this is a file: "
            "its bytes are copied without the GIL. If not, do less of it at a time, or use "
            f"{PROCESS}.",
            "seen too seldom": "Do less of it at a time, or in another process: "
            f"{PROCESS}. Whether a thread would do is not known: it would for C code that lets the "
            "GIL go.",
        },
    ),
    CauseRow(
        name="native_gil",
        label="native code, kept the GIL",
        meaning="ran C code that kept the GIL",
        evidence="CPU time, and the watchdog had to wait for the GIL until the code was over",
        remedy="do less work at a time, or use another process; a thread helps only where C code "
        "releases the GIL",
        call=("works",),
        advice="Give this one C call less at a time, or do it in another process: "
        f"{PROCESS}. A thread would not help: the call keeps the GIL.",
    ),
    CauseRow(
        name="gil_contention",
        label="other threads had the GIL",
        meaning="waited for the GIL; `gil_holders` names the other threads and their lines, and "
        "the first of them is the site",
        evidence="slices of CPU time as short as a request for the GIL takes, while other threads "
        "ran",
        remedy="move the computing of the other threads to another process; `gil_holders` of the "
        "stall names them",
        advice="Move what {holder} computes to another process: that thread held the GIL.",
        advice_if={
            "holder unknown": "Move what other threads compute to another process: they held the "
            "GIL.",
        },
        sentence="the loop waited {duration:.3f} s for the GIL, held by thread {threads}{place}",
        sentence_if="threads",
    ),
    CauseRow(
        name="gc",
        label="garbage collection",
        meaning="ran the garbage collector, or waited for it; if that ran on another thread, "
        "`gil_holders` names it and its line, which is the site",
        evidence="the collector's own callbacks",
        remedy="call `gc.freeze()` after the start; keep fewer long-lived objects",
        advice="Call gc.freeze() when the app has started, and raise gc.set_threshold(...): "
        "collecting garbage among many objects stopped everything. New objects set it off: make "
        "fewer at a time.",
        advice_if={
            "on another thread": "Make fewer objects at a time on thread {holder}, or make them in "
            "another process: collecting garbage there stopped everything. To have it run seldom, "
            "call gc.freeze() when the app has started, and raise gc.set_threshold(...).",
        },
        sentence="the loop waited {duration:.3f} s until thread {threads} had collected garbage"
        "{whose}{place}",
        sentence_if="threads",
    ),
    CauseRow(
        name="import",
        label="import",
        meaning="imported a module",
        evidence="the import system's frames",
        remedy="import at the start, not in the request",
        advice="Import {module} when the app starts, at the top of the module: the first import "
        "takes this long.",
        advice_if={
            "within a call": "Import {module} when the app starts, at the top of the module: "
            "{call} imports it the first time that it is called.",
        },
    ),
    CauseRow(
        name="starved",
        label="no CPU for the process",
        meaning="had no CPU: run queue, CPU quota of a control group, or a stopped process",
        evidence="the counters of the scheduler and of the control group, and a watchdog that "
        "nothing woke",
        remedy="give the process more CPU",
        runbook="LoopStarved",
        advice="Look for what stopped the process (SIGSTOP, a debugger, a suspended machine, "
        "swapping): no code of yours is to blame.",
        advice_if={
            "throttled": "Raise the container's CPU limit, or run fewer processes and threads in "
            "it: its quota was used up.",
            "run queue": "Run fewer processes per core, or give this one more CPU: others had all "
            "of it.",
        },
        sentence="the loop had no CPU for much of {duration:.3f} s",
        sentence_if="no_line",
        sentence_else=HELD + ": no CPU for {without_cpu:.3g} of {duration:.3g} s; {cpu:.3g} s of "
        "it was `{call}`",
    ),
    CauseRow(
        name="many_callbacks",
        label="many callbacks",
        meaning="ran many short callbacks in one tick; `contributors` names them, and the first of "
        "them is the site",
        evidence="no single step of a slow tick was slow",
        remedy="start fewer tasks at once; `contributors` of the stall names them",
        advice="Start less at once (asyncio.Semaphore, batches, await asyncio.sleep(0) between "
        "them): most of it was {contributors}.",
        sentence="many callbacks in one tick held the loop {duration:.3f} s{whose}{where}: "
        "{contributors}",
    ),
    CauseRow(
        name="unknown",
        label="cause unknown",
        meaning="did what nobody saw",
        evidence="too little evidence, or nothing took half",
        call=("waits", "works"),
        advice="Too little was seen to say what to do: look at the stack.",
    ),
)

CAUSES: dict[str, CauseRow] = {row.name: row for row in ROWS}


def label(cause: str) -> str:
    """Return what people are told of a cause; of one that is not known here, its name."""
    row = CAUSES.get(cause)
    return row.label if row is not None else cause


def labels() -> dict[str, str]:
    """Return what people are told of each cause."""
    return {name: row.label for name, row in CAUSES.items()}


def of_calls(did: str) -> tuple[str, ...]:
    """Return the causes for which a call is to blame that `waits`, or that `works`."""
    return tuple(name for name, row in CAUSES.items() if did in row.call)
