"""CPU time, user and system, of processes from their start to their end, which take turns."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from child import HERE
from progress import note

WITHIN = 60.0  # s, a process


@dataclass(frozen=True)
class Row:
    what: str
    command: Sequence[str]
    variables: dict[str, str]  # its whole environment
    quiet: bool = False  # what it writes on standard error is not shown
    seconds: list[float] = field(default_factory=list)  # of CPU, a round

    def run(self) -> None:
        self.seconds.append(used(self.command, self.variables, self.quiet))

    def over(self, other: Row) -> float:
        return median(a - b for a, b in zip(self.seconds, other.seconds, strict=True))


def take_turns(rows: Sequence[Row], rounds: int, shown: Row) -> None:
    """Run each row once a round, each round from another one on; say how long `shown` took."""
    for number in range(rounds):
        first = number % len(rows)
        for row in [*rows[first:], *rows[:first]]:
            row.run()
        note(f"[{number + 1}/{rounds}] {shown.seconds[-1] * 1e3:.0f} ms")


def used(command: Sequence[str], variables: dict[str, str], quiet: bool = False) -> float:
    """Return the CPU time of a process, s; raises RuntimeError if it fails."""
    before, silent = spent(), subprocess.DEVNULL if quiet else None
    where, within = HERE.parent, WITHIN
    try:
        subprocess.run(command, cwd=where, env=variables, timeout=within, check=True, stderr=silent)
    except subprocess.SubprocessError as error:
        raise RuntimeError(str(error)) from None
    return spent() - before


def spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
