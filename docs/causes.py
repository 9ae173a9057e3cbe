"""Writes the tables of causes into the documents that have one, from the table in the code:

    python -m docs.causes

What stands around a table is written by hand.
"""

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from loopwatch.core.causes import ROWS

CHECKOUT = Path(__file__).resolve().parent.parent
PAGE = "docs/causes-and-advice.md"
RUNBOOKS = "loopwatch/tools/grafana/runbooks"
FREQUENT = f"{RUNBOOKS}/StallsFrequent.md"


def meanings() -> Iterator[str]:
    """Return the lines of the table of what each cause means, and by what it is known."""
    yield "| cause | the loop's thread | evidence |"
    yield "|---|---|---|"
    for row in ROWS:
        yield f"| `{row.name}` | {row.meaning} | {row.evidence} |"


def remedies(runbooks: str) -> Iterator[str]:
    """Return the lines of the table of what to do; `runbooks` is the way to that folder.

    Causes in a row with the same remedy share a line.
    """
    yield "| cause | what to do |"
    yield "|---|---|"
    for (remedy, runbook), rows in groupby(ROWS, lambda row: (row.remedy, row.runbook)):
        if remedy:
            names = ", ".join(f"`{row.name}`" for row in rows)
            link = f": see the runbook [{runbook}]({runbooks}{runbook}.md)" if runbook else ""
            yield f"| {names} | {remedy}{link} |"


TABLES: tuple[tuple[str, Callable[[], Iterator[str]]], ...] = (
    (PAGE, meanings),
    (PAGE, lambda: remedies(f"../{RUNBOOKS}/")),
    (FREQUENT, lambda: remedies("")),
)


def written(file: str) -> str:
    """Return a document with its tables as they have to be."""
    text = (CHECKOUT / file).read_text("utf-8")
    for lines in (lines() for name, lines in TABLES if name == file):
        head, *rest = lines
        table = rf"^{re.escape(head)}\n(?:\|.*\n)+"
        found = re.findall(table, text, flags=re.MULTILINE)
        if len(found) != 1:
            raise ValueError(f"{file} must have one table of {head}, and has {len(found)}")
        text = text.replace(found[0], "\n".join((head, *rest, "")))
    return text


def files() -> list[str]:
    return sorted({file for file, _ in TABLES})


if __name__ == "__main__":
    for name in files():
        (CHECKOUT / name).write_text(written(name), "utf-8")
