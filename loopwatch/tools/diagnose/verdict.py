"""The verdict: what limits the app. Pure rules over the measurement; the first match wins.

1. Fewer than 20 requests or less than 2 s: nothing is claimed.
2. At least half of the requests failed, or were refused (status 400 to 499): the latency is that
   of failures. If most of them were given up, and the process had no CPU (3) or stalls held the
   loop for a quarter of the time measured, that is the verdict. After such stalls, 1 and 2 name the
   site of most seconds before anything else.
3. The process had no CPU for at least half of the time the loop was held, and for 2 % of the time
   measured or felt by a route as in 4. If the generator has complaints, they are the verdict.
4. In the slowest 1 % of some route's requests, at least a quarter of the latency, and 10 ms, is
   waiting for stalls: of such routes, the one that lost most, with the site it waited for most.
   The server counts this, so it holds even with a bad load generator.
5. The generator has complaints: it made the clients' latency.
6. The loop is busy for at least 80 % of the time, and no stall has a line of its own: the lines
   that fill it. This comes before 4 if every stall was of many callbacks.
7. Requests of the route that waits most wait for each other, as our own clients measured it, or as
   the places show where they wait: a lock, a semaphore, a pool of connections, or a service that
   takes no more.
8. Stalls for which requests hardly waited: the site of most seconds.
9. The loop is busy for at least 80 % of the time: what requests cost it is the limit.
10. What takes at least half of the latency of all requests: waiting for a worker thread, or own
   steps and the queue before them; otherwise waiting for what they await, with the place where
   that takes most.

A verdict on a stall is followed by the line that fills the loop, if it is full as well.
"""

from __future__ import annotations

from dataclasses import replace

from loopwatch.core.plural import counted
from loopwatch.tools.diagnose.concurrency import Concurrency
from loopwatch.tools.diagnose.findings import Findings
from loopwatch.tools.diagnose.full_verdict import (
    busiest_line,
    busy_text,
    full,
    saturated,
    with_lines,
)
from loopwatch.tools.diagnose.held_verdict import blocked, felt_most, unfelt, worst_held
from loopwatch.tools.diagnose.report_records import Kind, Load, RouteReport, Throughput, Verdict
from loopwatch.tools.diagnose.routes import with_more_places
from loopwatch.tools.diagnose.waits_verdict import each_other, waited, waits_most
from loopwatch.tools.diagnose.wording import (
    ms,
    percent,
    route_name,
    site_name,
)

FEWEST, SHORTEST = 20, 2.0  # requests, s
FAILED = 0.5
STARVED = 0.5  # of all seconds of stalls
STARVED_TIME = 0.02  # of the time measured, unless a route's slowest requests felt stalls
GOOD = ("loop_cost", "thread_pool", "waiting", "no_stalls")  # kinds that blame no line


def verdict(found: Findings) -> Verdict:
    """Return what limits the app, according to the measurement."""
    rules = (not_enough_data, errors, starved, full_first, blocked, generator, full)
    later = (in_line, each_other, unfelt, saturated)
    told = (rule(found) for rule in (*rules, *later))
    first = next((v for v in told if v is not None), None)
    return with_lines(found, first or mean(found))


def full_first(found: Findings) -> Verdict | None:
    """Return the lines that fill the loop before stalls that are only many callbacks in a row."""
    return full(found) if found.culprits and not complains(found) else None


def complains(found: Findings) -> bool:
    """Return whether the load generator was the bottleneck."""
    return found.generator is not None and bool(found.generator.complaints)


def not_enough_data(found: Findings) -> Verdict | None:
    if found.requests >= FEWEST and found.seconds >= SHORTEST:
        return None
    sent = found.load.sent if found.load is not None else 0
    lost = f", although {counted(sent, 'request')} were sent" if sent >= FEWEST else ""
    return with_line(
        found,
        kind="not_enough_data",
        text=f"Not enough data: {counted(found.requests, 'request')} finished in "
        f"{found.seconds:.1f} s{lost}. At least {FEWEST} requests and {SHORTEST:g} s would be "
        "enough to say something, some hundreds of each route for a p99.",
    )


def errors(found: Findings) -> Verdict | None:
    load = found.load
    if load is None or not load.sent:
        return None
    refused = sum(count for status, count in load.by_status.items() if status.startswith("4"))
    if load.errors < FAILED * load.sent and refused < FAILED * load.sent:
        return None
    many, what, cure = load.errors, "failed", "fix that first"
    if refused > load.errors:
        many, what, cure = refused, "were refused", "check their paths, headers and bodies first"
    outcomes = ", ".join(f"{name}: {count}" for name, count in load.by_status.items())
    told = f"{many} of {counted(load.sent, 'request')} {what} ({outcomes}), so latency says little"
    line = worst_held(found)
    if line is not None and unanswered(load) > load.errors / 2:
        hungry = starved(found)
        text = line.text if hungry is None else f"{line.text} {hungry.text}"
        why = "Requests that wait for this long are given up"
        kind = "blocked" if hungry is None else hungry.kind
        return replace(line, kind=kind, text=f"{text} {why}: {told}.")
    return with_line(found, kind="errors", text=f"{told}: {cure}.", share=many / load.sent)


def unanswered(load: Load) -> int:
    """Return how many requests were given up without a status."""
    return sum(count for outcome, count in load.by_status.items() if not outcome.isdigit())


def with_line(found: Findings, kind: Kind, text: str, share: float | None = None) -> Verdict:
    """Return a verdict that says little of latency, behind the line that held the loop, if one
    did for much of the time."""
    line = worst_held(found)
    if line is None:
        return Verdict(kind=kind, text=text, share=share)
    return replace(line, kind=kind, text=f"{line.text} {text}", share=share)


def starved(found: Findings) -> Verdict | None:
    held = found.held
    without_cpu = sum(c.seconds for c in found.culprits if c.cause == "starved")
    if not held or without_cpu < STARVED * held:
        return None
    if found.generator is not None and found.generator.complaints:
        return generator(found)  # it may have taken the CPU
    if without_cpu < STARVED_TIME * found.seconds and not any(map(felt_most, found.routes)):
        return None
    if found.without_cpu is not None:  # a starved step may have been on the CPU, too
        without_cpu = min(without_cpu, found.without_cpu)
    return no_cpu(without_cpu, held, what_ran(found))


def no_cpu(without_cpu: float, held: float, more: str = "") -> Verdict:
    """Return the verdict on a process that had no CPU for much of the time the loop was held, s."""
    return Verdict(
        kind="starved",
        text=f"The process had no CPU: for {percent(without_cpu / held)} of the time the loop was "
        f"held ({without_cpu:.1f} s of {held:.1f} s), it was ready to run but got no CPU. Give it "
        f"more CPU (quota, cores), or run less beside it.{more}",
        share=without_cpu / held,
    )


def what_ran(found: Findings) -> str:
    """Return what was to run meanwhile, if it was much itself: only then a line is known."""
    worst = found.worst
    if worst.cause != "starved" or not worst.site.line:
        return ""
    return f" What it was to run was mostly {site_name(worst, worst.site.function)}."


def generator(found: Findings) -> Verdict | None:
    if found.generator is None or not found.generator.complaints:
        return None
    return Verdict(
        kind="generator",
        text=f"The load generator was the bottleneck: {'; '.join(found.generator.complaints)}. "
        "So it made the clients' latencies; the server's are still valid. Use a lower --rate, or a "
        "faster load tool with --attach.",
    )


def mean(found: Findings) -> Verdict:
    """Return the largest part of the mean latency, if no other rule matched."""
    whole = sum(route.parts.total * route.requests for route in found.routes)
    pool = sum(route.threadpool * route.requests for route in found.routes)
    own = sum((route.parts.running + route.parts.queued) * route.requests for route in found.routes)
    if whole > 0 and pool >= whole / 2:
        return Verdict(
            kind="thread_pool",
            text=f"No stalls; you are limited by the thread pool: {percent(pool / whole)} of the "
            "latency is waiting for a free worker thread. Give it more threads (anyio's limiter "
            "has 40), or make those routes `async def` with async libraries.",
            share=pool / whole,
        )
    if whole > 0 and own >= whole / 2:
        return Verdict(
            kind="loop_cost",
            text=f"No stalls; {percent(own / whole)} of the latency is the requests' own steps on "
            f"the loop{idle_text(found.throughput)}. {busy_text(found.throughput)}"
            f"{busiest_line(found)}",
            share=own / whole,
        )
    if (named := waits_most(found)) is not None:
        return waited(named, "waiting", f" No stalls{idle_text(found.throughput)}.")
    slowest = most_waiting(found)
    waiting = sum(route.parts.waiting * route.requests for route in found.routes)
    share = waiting / whole if whole > 0 else 0.0
    name = route_name(slowest)
    return Verdict(
        kind="waiting",
        text=f"No stalls; you are limited by what requests await: {percent(share)} of the latency, "
        f"`{name}` most ({ms(slowest.parts.waiting)} a request). "
        f"{whether_apart(passed_through(found, slowest))}{idle_text(found.throughput, '. The')}.",
        route=slowest.route,
        method=slowest.method,
        share=share,
    )


def most_waiting(found: Findings) -> RouteReport:
    return max(found.routes, key=lambda route: route.parts.waiting * route.requests)


def passed_through(found: Findings, route: RouteReport) -> Concurrency | None:
    return found.concurrency.get((route.route, route.method))


def whether_apart(through: Concurrency | None) -> str:
    """Return what is known of where requests wait, inside the process or outside."""
    if through is not None and through.apart:
        return (
            "At this load they do not wait for each other: it is real I/O, or a wait of the app's "
            "own that is as long for each"
        )
    return (
        "That is real I/O, or something in the app (a lock, a queue, a pool of connections): these "
        "numbers do not tell which"
    )


def in_line(found: Findings) -> Verdict | None:
    """Return that requests wait for each other, not for the loop, where most waiting is that."""
    route = most_waiting(found)
    through = passed_through(found, route)
    if through is None or not through.limited or route.parts.waiting < route.parts.total / 2:
        return None
    alone, at_once = through.alone, max(1, round(through.at_once))
    share = 1 - alone / through.latency
    if (named := waits_most(found, route.route)) is not None:
        return waited(
            named, "concurrency", f" {passing(through)}{idle_text(found.throughput, '. The')}."
        )
    return Verdict(
        kind="concurrency",
        text=f"Requests of `{route_name(route)}` wait in line: one takes {ms(alone)} "
        f"alone and {ms(through.latency)} on average, the longer the more are under way. About "
        f"{at_once} at a time get through, {through.served:.1f} a second. A semaphore, a lock or a "
        "pool of connections in the app does that, or a service behind it that takes no more: "
        "look at what the route awaits, these numbers do not tell which"
        f"{idle_text(found.throughput, '. The')}. {with_more_places(route)}".rstrip(),
        route=route.route,
        method=route.method,
        share=share,
    )


def passing(through: Concurrency) -> str:
    """Return how requests got through, without a full stop."""
    return (
        f"One takes {ms(through.alone)} alone and {ms(through.latency)} on average; about "
        f"{max(1, round(through.at_once))} at a time get through, {through.served:.1f} a second"
    )


def idle_text(throughput: Throughput, join: str = "; the") -> str:
    use = throughput.utilization
    return "" if use is None else f"{join} loop itself is busy for {percent(use)} of the time"
