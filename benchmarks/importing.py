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
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import ending
from argument import parser_of, whole
from child import HERE, environment
from progress import note
from table import markdown

AT_MOST = 0.060  # s over what it needs
WITHIN = 60.0  # s, an interpreter
PACKAGE = HERE.parent / "loopwatch"
NEEDED = "import prometheus_client, opentelemetry.trace, opentelemetry.metrics, asyncio"
LOOPWATCH = "import loopwatch"


@dataclass(frozen=True)
class Row:
    what: str
    code: str
    variables: dict[str, str]
    seconds: list[float] = field(default_factory=list)  # of CPU, a round

    def run(self) -> None:
        self.seconds.append(used(self.code, self.variables))

    def over(self, other: Row) -> float:
        return median(a - b for a, b in zip(self.seconds, other.seconds, strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__ or "")
    add = parser.add_argument
    add("--rounds", type=whole(1, 1000, 31), default=31, metavar="N", help="31")
    add("--check", action="store_true", help="exit 1 if loopwatch exceeds its bound")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows = prepared(Path(folder))
        for number in range(chosen.rounds):
            first = number % len(rows)
            for row in rows[first:] + rows[:first]:
                row.run()
            note(f"[{number + 1}/{chosen.rounds}] {rows[2].seconds[-1] * 1e3:.0f} ms")
    print(report(rows))
    return ending.status(exceeded(rows) if chosen.check else (), failed=False)


def prepared(folder: Path) -> list[Row]:
    """Return the rows, with the bytecode of each in a folder."""
    full, part = ({"PYTHONPYCACHEPREFIX": str(folder / name)} for name in ("full", "part"))
    for variables in (full, part):
        used(LOOPWATCH, variables)
    shutil.rmtree((folder / "part").joinpath(*PACKAGE.parts[1:]))
    return [
        Row("nothing", "pass", full),
        Row("what loopwatch needs", NEEDED, full),
        Row("loopwatch", LOOPWATCH, full),
        Row("the same without its bytecode", LOOPWATCH, part | {"PYTHONDONTWRITEBYTECODE": "1"}),
    ]


def used(code: str, variables: dict[str, str]) -> float:
    """Return the CPU time of an interpreter that runs this, s; raises RuntimeError if it fails."""
    before, command = spent(), [sys.executable, "-c", code]
    env = environment() | variables
    try:
        subprocess.run(command, cwd=HERE.parent, env=env, timeout=WITHIN, check=True)
    except subprocess.SubprocessError as error:
        raise RuntimeError(str(error)) from None
    return spent() - before


def spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


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
