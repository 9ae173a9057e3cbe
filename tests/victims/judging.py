"""What loopwatch said in a trial against what was written down: the rows of the table."""

from .parts import Parts
from .recount import Recount
from .rows import Row
from .sums import Sums
from .trial import Trial

KNOWN = {"asyncio": frozenset({"soon", "timer"}), "uvloop": frozenset({"soon"})}
RECOUNT = {"asyncio": 0.05, "uvloop": 0.15}  # share of the victims, and of their seconds


def judge(trial: Trial, loop: str) -> list[Row]:
    recount = Recount(trial.requests, KNOWN[loop])
    return [*Parts(trial, recount).rows(), *Sums(trial, recount, RECOUNT[loop]).rows()]
