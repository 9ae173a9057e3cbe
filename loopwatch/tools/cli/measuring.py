"""Measuring: an app that we serve and load, or one that runs already."""

from __future__ import annotations

import asyncio
import ipaddress
import shutil
import signal
import subprocess
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from urllib.parse import urlsplit

from loopwatch.core.plural import counted
from loopwatch.core.quantiles import quantiles
from loopwatch.tools.cli.child import Child, Served, serving
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.load_requests import DURATION
from loopwatch.tools.cli.progress import progress
from loopwatch.tools.cli.remote import Remote
from loopwatch.tools.diagnose.difference import difference
from loopwatch.tools.diagnose.load import Load
from loopwatch.tools.diagnose.matching import matched
from loopwatch.tools.diagnose.measurement import Measurement, Sent
from loopwatch.tools.diagnose.plan import Plan
from loopwatch.tools.diagnose.report_records import Command
from loopwatch.tools.diagnose.watching import Watching
from loopwatch.tools.diagnose.wording import ms

SETTLE = 1.2  # s after the load: loopwatch then has counted the victims of the last stalls
LATEST = 200  # answers behind the latency in the progress line


def own_app(given: Namespace, plan: Plan) -> Measurement:
    """Serve the app, load it, and return what was measured."""
    with started(given) as (child, served):
        watching = Watching(Remote(served.page).read, CommandError)
        load = Load(plan, served.app)
        with progress(lambda: load_line(load, plan, watching)):
            try:
                asyncio.run(loaded(load, plan, given.warm_up, watching))
            except CommandError as error:  # before the load: no page to read
                how = child.ended()
                raise CommandError(
                    f"the app ended in the warm-up: {how}" if how else str(error)
                ) from error
            pause(SETTLE)
            watching.stop()
        return measurement(
            watching,
            until=load.ended,
            app=given.app,
            url=served.app,
            readable=True,
            ended=child.ended(),
            sent=sent(load, plan, watching),
        )


@contextmanager
def started(given: Namespace) -> Iterator[tuple[Child, Served]]:
    """Serve the app, and show progress while it starts up."""
    began = time.monotonic()
    with ExitStack() as stack:
        with progress(lambda: f"{given.app} starts up, {time.monotonic() - began:.0f} s"):
            served = stack.enter_context(serving(run_arguments(given)))
        yield served


def run_arguments(given: Namespace) -> list[str]:
    arguments = [given.app, f"--loop={given.loop}", f"--port={given.port}", "--admin-port=0"]
    if given.factory:
        arguments.append("--factory")
    if given.slow_callback_duration is not None:
        arguments.append(f"--slow-callback-duration={given.slow_callback_duration}")
    return arguments


async def loaded(load: Load, plan: Plan, warm_up: float, watching: Watching) -> None:
    """Run the load until its end or Ctrl-C, after a warm-up that is not measured."""
    warm = replace(plan, rate_end=plan.rate, duration=warm_up) if warm_up else plan
    first = Load(warm, load.url)
    with stopping_on_signals(first, load):
        if warm_up and warm.count:
            await first.run()
        await asyncio.to_thread(watching.start)
        await load.run()


@contextmanager
def stopping_on_signals(*loads: Load) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for load in loads:
            load.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def sent(load: Load, plan: Plan, watching: Watching) -> Sent:
    rows = watching.latest.snapshot.requests
    routes = {
        kind: matched(shot.path, [row.route for row in rows if row.method == shot.method])
        for kind, shot in enumerate(plan.shots)
    }
    return Sent(plan=plan, tally=load.tally, began=load.began, routes=routes)


def attached(given: Namespace) -> Measurement:
    """Watch a running app, while a load tool runs or for a given time."""
    remote = Remote(given.attach)
    watching = Watching(remote.read, CommandError)
    if given.tool and shutil.which(given.tool[0]) is None:
        raise CommandError(
            f"the command after -- must start with a program, got {given.tool[0]!r}: "
            "install it, or correct its name"
        )
    watching.start()
    began = time.monotonic()
    with progress(lambda: watched_line(time.monotonic() - began, watching)):
        command = run_tool(given.tool) if given.tool else None
        if command is None:
            pause(given.duration or DURATION)
        ended = time.monotonic()
        pause(SETTLE)
        watching.stop()
    return measurement(
        watching,
        until=ended,
        url=given.attach,
        readable=is_here(given.attach),
        command=command,
    )


@contextmanager
def at_sigterm(end: Callable[[], None]) -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, lambda *_: end())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_tool(words: Sequence[str]) -> Command:
    """Run a load tool to its end. The terminal sends Ctrl-C to the tool as well. SIGTERM would end
    only us, so it is passed on, even if it comes while the tool starts."""
    ended, running = threading.Event(), list["subprocess.Popen[bytes]"]()

    def end() -> None:
        ended.set()
        for process in running:
            process.terminate()

    with at_sigterm(end), subprocess.Popen(words) as process:
        running.append(process)
        if ended.is_set():
            process.terminate()
        while True:
            try:
                return Command(program=words[0], exit_code=process.wait())
            except KeyboardInterrupt:
                process.terminate()


def pause(seconds: float) -> None:
    """Wait; Ctrl-C ends it early."""
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        return


def is_here(url: str) -> bool:
    """Return whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def measurement(
    watching: Watching,
    *,
    until: float,
    url: str,
    readable: bool,
    app: str | None = None,
    ended: str | None = None,
    sent: Sent | None = None,
    command: Command | None = None,
    outside: tuple[str, ...] = (),
) -> Measurement:
    first, last = watching.first, watching.latest
    return Measurement(
        app=app,
        url=url,
        source_readable=readable,
        readings=tuple(watching.readings),
        until=until,
        change=difference(first.snapshot, last.snapshot),
        stalls=watching.stalls,
        tails=watching.tails(),
        missed=watching.missed,
        ended=ended,
        sent=sent,
        command=command,
        outside=outside,
    )


def load_line(load: Load, plan: Plan, watching: Watching) -> str:
    """Return the progress of a load, in one line."""
    if not load.began:
        return "warming up"
    tally = load.tally
    passed = min(time.monotonic() - load.began, plan.duration)
    latest = [*islice(reversed(tally.samples), LATEST)]
    parts = [
        f"{passed:.0f}/{plan.duration:g} s",
        f"{tally.due} sent {len(tally.samples)} back {tally.errors} failed",
    ]
    if latest:
        p50, p99 = quantiles((0.5, 0.99), [sample.latency for sample in latest])
        parts.append(f"p50 {ms(p50)} p99 {ms(p99)}")
    return ", ".join([*parts, *loop_parts(watching)])


def watched_line(passed: float, watching: Watching) -> str:
    return ", ".join([f"{passed:.0f} s", *loop_parts(watching)])


def loop_parts(watching: Watching) -> Iterator[str]:
    readings = watching.readings[-2:]
    if len(readings) == 2:
        change = difference(readings[0].snapshot, readings[1].snapshot)
        if change.lag.count:
            yield f"lag {ms(change.lag.quantile(0.99))}"
    yield counted(len(watching.stalls), "stall")
