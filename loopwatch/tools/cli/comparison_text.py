"""A comparison in the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from loopwatch.core.safe_text import safe
from loopwatch.tools.cli.diagnosis_text import quoted
from loopwatch.tools.cli.terminal import Console, RenderableType, Table, Text
from loopwatch.tools.diagnose.changes import Row
from loopwatch.tools.diagnose.compare import Comparison, CulpritChange
from loopwatch.tools.diagnose.markdown import number
from loopwatch.tools.diagnose.wording import place

STYLES = {"better": "green", "gone": "green", "worse": "bold red", "new": "bold red", "same": "dim"}


def show(compared: Comparison) -> None:
    """Print a comparison on standard output."""
    console = Console(highlight=False, markup=False, emoji=False)
    for part in sections(compared):
        console.print(part)


def sections(compared: Comparison) -> Iterator[RenderableType]:
    yield quoted(f"Before: {compared.before.verdict.text}", "default")
    yield quoted(f"After: {compared.after.verdict.text}", "default")
    yield Text()
    yield numbers("", compared.rows)
    if compared.routes:
        yield Text()
        yield numbers("latency", compared.routes)
    if compared.culprits:
        yield Text()
        yield culprits(compared.culprits)
    for head, rows in (("waiting at a time", compared.waits), ("loop time", compared.loop_lines)):
        if rows:
            yield Text()
            yield numbers(head, rows)
    for note in compared.notes:
        yield Text(f"- {safe(note)}", "yellow")


def numbers(head: str, rows: tuple[Row, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column(head, overflow="fold", min_width=30)
    for name in ("before", "after"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        was, now = number(row.before, row.unit), number(row.after, row.unit)
        table.add_row(Text(safe(row.name)), was, now, change(row.change))
    return table


def culprits(changes: tuple[CulpritChange, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("culprit", overflow="fold", min_width=20)
    table.add_column("route", overflow="fold")
    for name in ("lost before", "lost after"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for one in changes:
        lost = [f"{c.lost:.1f} s" if c is not None else "" for c in (one.before, one.after)]
        where = Text(safe(place(one.latest)))
        table.add_row(where, Text(safe(one.latest.route or "")), *lost, change(one.change))
    return table


def change(kind: str) -> Text:
    return Text("" if kind == "same" else kind, STYLES[kind])
