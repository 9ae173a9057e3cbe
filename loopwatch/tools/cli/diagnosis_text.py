"""A report in the terminal: verdict, culprits, routes, throughput, notes."""

from __future__ import annotations

from collections.abc import Iterator

from loopwatch.core.plural import counted
from loopwatch.core.quantiles import Quantiles
from loopwatch.core.safe_text import safe
from loopwatch.core.tails import Parts
from loopwatch.tools.cli.estimates_text import LINES, WAITS, loop_rows, wait_rows
from loopwatch.tools.cli.terminal import Console, Group, RenderableType, Table, Text
from loopwatch.tools.diagnose.held_verdict import WORTH
from loopwatch.tools.diagnose.report_records import Culprit, Report, RouteReport
from loopwatch.tools.diagnose.verdict import GOOD
from loopwatch.tools.diagnose.wording import (
    call,
    lost,
    ms,
    owner,
    percent,
    place,
    route_name,
    routed,
)

CULPRITS, ROUTES = 8, 12  # shown at most; the rest are in the JSON
BAR = 12  # characters
PARTS = (  # of latency: mark, style
    ("queued", "░", "yellow"),
    ("running", "█", "green"),
    ("stalled", "▓", "red"),
    ("waiting", "·", "dim"),
)


def show(report: Report) -> None:
    """Print a report on standard output."""
    console = Console(highlight=False, markup=False, emoji=False)
    for part in sections(report):
        console.print(part)


def sections(report: Report) -> Iterator[RenderableType]:
    yield heading(report)
    yield Text()
    yield verdict(report)
    if report.culprits:
        yield Text("\nWho held the loop", "bold")
        outside = report.target.outside
        yield from (culprit(n, c, outside) for n, c in enumerate(report.culprits[:CULPRITS], 1))
        yield from more(len(report.culprits) - CULPRITS, "culprits")
    if report.routes:
        yield Text("\nWho paid", "bold")
        yield route_table(report)
        yield legend()
        yield from more(len(report.routes) - ROUTES, "routes")
    if report.waits:
        yield from wait_rows(report.waits)
        yield from more(len(report.waits) - WAITS, "places")
    if report.loop_lines:
        yield from loop_rows(report.loop_lines)
        yield from more(len(report.loop_lines) - LINES, "lines")
    yield Text("\nLimits", "bold")
    yield limits(report)
    if report.notes or report.dropped:
        yield Text("\nNotes", "bold")
        yield notes(report)


def more(count: int, what: str) -> Iterator[Text]:
    if count > 0:
        yield Text(f"and {count} more {what}: see --json", "dim")


def heading(report: Report) -> Text:
    target, load = report.target, report.load
    python = f", Python {target.python}" if target.python else ""
    text = Text(safe(f"{target.app or target.url} on {target.loop or 'no loop'}{python}"), "dim")
    if load is None:
        return text.append(f"; watched for {report.duration:.1f} s")
    rate = f"{load.rate:g}" if load.rate == load.rate_end else f"{load.rate:g} to {load.rate_end:g}"
    early = ", ended early" if load.interrupted else ""
    return text.append(
        f"; {rate} requests/s for {load.duration:g} s{early}: "
        f"{counted(load.sent, 'request')} sent, {load.answered} answered, {load.errors} failed"
    )


def verdict(report: Report) -> Text:
    style = "bold green" if report.verdict.kind in GOOD else "bold red"
    return quoted(report.verdict.text, style)


def quoted(text: str, style: str) -> Text:
    """Return a sentence with the parts in backticks highlighted."""
    whole = Text()
    for place_, piece in enumerate(safe(text).split("`")):
        whole.append(piece, "bold" if place_ % 2 else style)
    return whole


def culprit(number: int, one: Culprit, outside: bool = False) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=2, justify="right")
    table.add_column()
    near = "" if one.site.exact or not one.site.line else "near "
    title = Text(safe(f"{near}{place(one)}"), "bold cyan")
    title.append(safe(f"  {call(one)}"), "default")
    table.add_row(f"{number}", title)
    table.add_row("", safe(figures(one, outside)))
    for line in predicted(one):
        table.add_row("", Text(safe(line)))
    if one.advice:
        table.add_row("", Text(safe(" ".join(one.advice.split())), "green"))
    return table


def figures(one: Culprit, outside: bool) -> str:
    held = (
        f"{counted(one.count, 'stall')}, {one.seconds:.2f} s held, {one.longest:.2f} s the longest"
    )
    if outside:
        return f"{one.coroutine or one.site.function}: {held} [{one.cause}]"
    waited = f"{counted(one.victims, 'request')} waited {one.lost:.1f} s"
    return f"{owner(one.route, one.method)}: {held}; {waited} [{one.cause}]"


def predicted(one: Culprit) -> Iterator[str]:
    told = [p for p in one.predictions if not p.reason]
    worth = [p for p in told if p.now.p99 - p.then.p99 > WORTH * p.now.p99]
    for p in sorted(worth, key=lambda p: p.then.p99 - p.now.p99)[:2]:
        route = f"{p.method} {routed(p.route)}"
        yield f"without it, p99 of {route}: {ms(p.now.p99)} -> {ms(p.then.p99)}"
    if one.predictions and not told:
        yield f"latency without it is not predicted: {one.predictions[0].reason}"


def route_table(report: Report) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("route", ratio=1, overflow="fold", min_width=16)
    heads = ("n", "p50", "p90", "p99", "server p99", "cost")
    for head in heads:
        table.add_column(head, justify="right", max_width=8)
    table.add_column("latency", width=BAR, no_wrap=True)
    for route in report.routes[:ROUTES]:
        table.add_row(*cells(route))
    return table


def cells(route: RouteReport) -> tuple[RenderableType, ...]:
    seen = route.client or route.server
    failed = f" ({route.errors} failed)" if route.errors else ""
    return (
        Text(safe(route_name(route) + failed)),
        f"{route.requests}",
        *quantile_cells(seen),
        ms(route.server.p99) if route.server is not None else "",
        ms(route.loop_cost),
        bar(route.parts),
    )


def quantile_cells(found: Quantiles | None) -> tuple[str, str, str]:
    return (ms(found.p50), ms(found.p90), ms(found.p99)) if found is not None else ("", "", "")


def bar(parts: Parts) -> Text:
    """Return the lengths of the four parts of a mean latency; they add up to the bar."""
    text, done, before = Text(), 0, 0.0
    for name, mark, style in PARTS:
        before += getattr(parts, name)
        end = round(BAR * before / parts.total) if parts.total > 0 else 0
        text.append(mark * (end - done), style)
        done = end
    return text


def legend() -> Text:
    text = Text("p50 to p99: ", "dim").append("of clients from the due time, or of the server; ")
    for name, mark, style in PARTS:
        text.append(mark, style).append(f" {name}  ")
    return text


def limits(report: Report) -> Group:
    return Group(*(Text(line) for line in limit_lines(report)))


def limit_lines(report: Report) -> Iterator[str]:
    served = report.throughput
    busy = (
        f"the loop was busy for {percent(served.utilization)} of the time"
        if (served.utilization is not None)
        else "this loop does not report how busy it is"
    )
    if report.target.outside:
        yield f"{busy[:1].upper()}{busy[1:]}."
        return
    yield f"{served.served:.1f} requests/s served; {busy}."
    if served.loop_cost is not None and served.ceiling is not None:
        yield (
            f"A request of this mix costs the loop {ms(served.loop_cost)}: one process serves at "
            f"most {served.ceiling:.0f} requests/s."
        )
    if served.busiest:
        shares = ", ".join(f"{routed(b.route)} {percent(b.share)}" for b in served.busiest[:3])
        yield safe(f"Of its busy time: {shares}.")
    if served.knee is not None:
        knee = served.knee
        where = f"at {knee.rate:.0f} requests/s" if knee.rate is not None else "not reached"
        yield f"Knee: {where} (median latency above {ms(knee.limit)} from there on)."
    if report.generator is not None:
        made = report.generator
        yield (
            f"Load generator: {ms(made.late_p99)} late (p99), {percent(made.cpu)} of a core, "
            f"{made.connections} connections."
        )


def notes(report: Report) -> Group:
    lines = [*report.notes]
    if report.generator is not None and report.generator.complaints:
        lines.append(
            f"The load generator was a bottleneck: {'; '.join(report.generator.complaints)}."
        )
    lines += [
        f"loopwatch could not keep {n} {lost(reason)}." for reason, n in report.dropped.items()
    ]
    return Group(*(Text(f"- {safe(line)}") for line in lines))
