"""What it takes to start a program under `loopwatch run --`, over starting it bare.

    python benchmarks/startup.py --check      (a minute)

CPU time, user and system, of a process from its start to its end: `python -c pass`, which never
runs a loop; a script that runs one loop; a FastAPI app under uvicorn that ends once it has
started. Each runs bare, with the start-up hook on its path, and as `loopwatch run --` starts it,
which first is a Python process of its own. They take turns, and each difference is to the bare one
of the same round. All read their bytecode from a folder of our own.

Exit status: 0; 1 with --check if the hook takes more than 3 ms in a process without a loop; 2 if
something failed.
"""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from statistics import median

import ending
from argument import parser_of, whole
from child import HERE, environment
from processes import Row, take_turns
from table import markdown

from loopwatch.tools.cli.program import with_hook

AT_MOST = 0.003  # s, in a process that never runs a loop
ROUNDS = 31
SERVER = """
import asyncio
import uvicorn
from fastapi import FastAPI

async def main():
    server = uvicorn.Server(uvicorn.Config(FastAPI(), port=0, log_level="error"))
    served = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.001)
    server.should_exit = True
    await served

asyncio.run(main())
"""
PROGRAMS = {
    "`python -c pass`": "pass",
    "a script with a loop": "import asyncio; asyncio.run(asyncio.sleep(0))",
    "uvicorn with a FastAPI app": SERVER,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__ or "")
    add = parser.add_argument
    add("--rounds", type=whole(1, 1000, ROUNDS), default=ROUNDS, metavar="N", help=str(ROUNDS))
    add("--check", action="store_true", help="exit 1 if the hook exceeds its bound")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows = prepared(folder)
        for row in rows:
            row.run()  # compiles what it imports
            row.seconds.clear()
        take_turns(rows, chosen.rounds, rows[-1])
    print(report(rows))
    return ending.status(exceeded(rows) if chosen.check else (), failed=False)


def prepared(bytecode: str) -> list[Row]:
    bare = environment() | {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONPATH": str(HERE.parent)}
    hook = with_hook(bare | {"LOOPWATCH_ADMIN_PORT": "0"})
    port = bare | {"LOOPWATCH_ADMIN_PORT": "0"}
    run = [sys.executable, "-m", "loopwatch", "run", "--no-summary", "--"]
    ways: tuple[tuple[list[str], dict[str, str]], ...] = (([], bare), ([], hook), (run, port))
    return [
        Row(what, [*before, sys.executable, "-c", code], variables, quiet=True)
        for what, code in PROGRAMS.items()
        for before, variables in ways
    ]


def threes(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield bare, with the hook, and by the command, of each program."""
    for first in range(0, len(rows), 3):
        yield rows[first : first + 3]


def report(rows: Sequence[Row]) -> str:
    head = (
        f"start-up, Python {platform.python_version()}",
        "bare, CPU ms, median",
        "with the hook",
        "`loopwatch run --`",
    )
    cells = [
        [
            bare.what,
            f"{median(bare.seconds) * 1e3:.0f}",
            f"{hook.over(bare) * 1e3:+.1f}",
            f"{command.over(bare) * 1e3:+.0f}",
        ]
        for bare, hook, command in threes(rows)
    ]
    return markdown(head, cells)


def exceeded(rows: Sequence[Row]) -> Iterator[str]:
    bare, hook, _ = next(iter(threes(rows)))
    over = hook.over(bare)
    if over > AT_MOST:
        yield (
            f"the start-up hook must take at most {AT_MOST * 1e3:.0f} ms of CPU time in a process "
            f"without a loop: it takes {over * 1e3:.1f} ms"
        )


if __name__ == "__main__":
    ending.run(main, "benchmarks/startup.py")
