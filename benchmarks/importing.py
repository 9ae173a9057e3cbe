"""What `import loopwatch` takes, beyond what the packages take that it cannot do without.

    python benchmarks/importing.py --check      (half a minute)

CPU time, user and system, of an interpreter from its start to its end: one that imports nothing,
one that imports prometheus_client, OpenTelemetry's API and asyncio, one that imports loopwatch.
They take turns, and each difference is to the one of the same round. All read their bytecode from
a folder of our own: as it is where an installer has compiled it, whatever this checkout has and
PYTHONDONTWRITEBYTECODE says. The last row compiles loopwatch each time, and nothing else.

Exit status: 0; 1 with --check if loopwatch takes more than 60 ms over what it needs, in the median
of all rounds; 2 if something failed.
"""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import ending
from argument import parser_of, whole
from child import HERE, environment
from processes import Row, take_turns, used
from table import markdown

AT_MOST = 0.060  # s over what it needs
PACKAGE = HERE.parent / "loopwatch"
NEEDED = "import prometheus_client, opentelemetry.trace, opentelemetry.metrics, asyncio"
LOOPWATCH = "import loopwatch"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__ or "")
    add = parser.add_argument
    add("--rounds", type=whole(1, 1000, 31), default=31, metavar="N", help="31")
    add("--check", action="store_true", help="exit 1 if loopwatch exceeds its bound")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows = prepared(Path(folder))
        take_turns(rows, chosen.rounds, rows[2])
    print(report(rows))
    return ending.status(exceeded(rows) if chosen.check else (), failed=False)


def prepared(folder: Path) -> list[Row]:
    """Return the rows, with the bytecode of each in a folder."""
    full, part = (
        environment() | {"PYTHONPYCACHEPREFIX": str(folder / name)} for name in ("full", "part")
    )
    nothing, needed, ours = ([sys.executable, "-c", code] for code in ("pass", NEEDED, LOOPWATCH))
    for variables in (full, part):
        used(ours, variables)
    shutil.rmtree((folder / "part").joinpath(*PACKAGE.parts[1:]))
    return [
        Row("nothing", nothing, full),
        Row("what loopwatch needs", needed, full),
        Row("loopwatch", ours, full),
        Row("the same without its bytecode", ours, part | {"PYTHONDONTWRITEBYTECODE": "1"}),
    ]


def report(rows: Sequence[Row]) -> str:
    _, needed, *ours = rows
    head = (f"import, Python {platform.python_version()}", "CPU ms, median", "least", "over needed")
    cells = [
        [
            row.what,
            f"{median(row.seconds) * 1e3:.0f}",
            f"{min(row.seconds) * 1e3:.0f}",
            f"{row.over(needed) * 1e3:+.0f}" if row in ours else "",
        ]
        for row in rows
    ]
    return markdown(head, cells)


def exceeded(rows: Sequence[Row]) -> Iterator[str]:
    _, needed, mine, _ = rows
    over = mine.over(needed)
    if over > AT_MOST:
        yield (
            f"import loopwatch must take at most {AT_MOST * 1e3:.0f} ms of CPU time over what it "
            f"needs: it takes {over * 1e3:.0f} ms"
        )


if __name__ == "__main__":
    ending.run(main, "benchmarks/importing.py")
