"""The estimates of a report in the terminal: where requests wait, which lines fill the loop."""

from __future__ import annotations

from collections.abc import Iterator

from loopwatch.core.record_types import NONE, Holder
from loopwatch.core.safe_text import safe
from loopwatch.tools.cli.terminal import RenderableType, Table, Text
from loopwatch.tools.diagnose.estimate_records import LoopLine, WaitReport
from loopwatch.tools.diagnose.waits_verdict import crowd, much
from loopwatch.tools.diagnose.wording import ms, owner, percent, routed, site_call, site_place

WAITS, LINES = 6, 8  # shown at most; the rest are in the JSON
HOLDERS = 3  # of one place


def wait_rows(waits: tuple[WaitReport, ...]) -> Iterator[RenderableType]:
    yield Text("\nWhat requests wait for", "bold")
    yield from (wait(number, one) for number, one in enumerate(waits[:WAITS], 1))


def wait(number: int, one: WaitReport) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=2, justify="right")
    table.add_column()
    title = Text(safe(site_place(one.place)), "bold cyan")
    title.append(safe(f"  {site_call(one.place)}"), "default")
    table.add_row(f"{number}", title)
    peer = f" {one.peer}" if one.peer else ""
    whose = owner(None if one.route == NONE else one.route, one.method)
    figures = f"{whose}: {crowd(one)}; {much(one)}, {ms(one.seconds)} in all"
    table.add_row("", Text(safe(f"{figures} [{one.resource}{peer}]")))
    for holder in one.holders[:HOLDERS]:
        table.add_row("", Text(safe(held(holder)), "dim"))
    for line, style in ((one.what_if, "default"), (one.advice, "green")):
        if line:
            table.add_row("", Text(safe(" ".join(line.split())), style))
    return table


def held(holder: Holder) -> str:
    whose = routed(holder.route) if holder.route is not None else holder.task
    since = f", for {ms(holder.seconds)}" if holder.seconds is not None else ""
    what = f" ({holder.resource})" if holder.resource else ""
    return f"held by {whose} at {site_place(holder.site)} {site_call(holder.site)}{what}{since}"


def loop_rows(lines: tuple[LoopLine, ...]) -> Iterator[RenderableType]:
    yield Text("\nLines of loop time", "bold")
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    for head in ("share", "busy", "steps"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("line", overflow="fold", ratio=1)
    table.add_column("route", overflow="fold")
    for line in lines[:LINES]:
        table.add_row(*loop_cells(line))
    yield table


def loop_cells(line: LoopLine) -> tuple[RenderableType, ...]:
    where = Text(safe(site_place(line.site)), "cyan")
    where.append(safe(f" {site_call(line.site) or line.call}"), "default")
    return (
        percent(line.share),
        ms(line.seconds),
        ms(line.step) if line.step is not None else "",
        where,
        Text(safe(owner(None if line.route == NONE else line.route, line.method))),
    )
