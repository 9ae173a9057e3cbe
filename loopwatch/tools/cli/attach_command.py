"""`loopwatch attach`: a process that runs already is looked at, and reported."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from loopwatch.core.safe_text import safe
from loopwatch.tools.attach import attach_refusal
from loopwatch.tools.attach.attach_refusal import AttachError
from loopwatch.tools.attach.inside_session import InsideError
from loopwatch.tools.attach.outside_stall import MANY_STEPS, UNSEEN
from loopwatch.tools.attach.process_tree import ProcessTree
from loopwatch.tools.cli.attached_page import AttachedPage, InsidePage, OutsidePage
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.diagnose_command import check_outputs, published
from loopwatch.tools.cli.run_command import leaving_on_signals
from loopwatch.tools.diagnose import conditions
from loopwatch.tools.diagnose.conditions import Condition
from loopwatch.tools.diagnose.diagnosis_error import DiagnosisError

INTERVAL = 1.0  # s between two readings
GLANCE = 0.1  # s between two checks whether it is over
SHORTEST = 0.08  # s: shorter blocks end before py-spy has looked twice


def attach(given: Namespace) -> int:
    """Watch, then report, and return the exit code; raises CommandError if it cannot."""
    try:
        wanted = [conditions.parse(text) for text in given.fail_on]
        check(given, wanted)
        return published(lambda: measured(given), given, wanted)
    except (AttachError, DiagnosisError) as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt:
        raise CommandError("ended before there was anything to report") from None


def check(given: Namespace, wanted: list[Condition]) -> None:
    """Before looking, raise CommandError for what cannot be reported."""
    check_outputs(given)
    known = "stall, stalls and utilization"
    for one in wanted:
        if one.name not in ("stall", "stalls", "utilization"):
            raise CommandError(
                f"--fail-on must be of {known} for a process seen from outside, got {one.text!r}: "
                "use loopwatch diagnose for the others"
            )
    if given.slow_callback_duration < SHORTEST:
        raise CommandError(
            f"--slow-callback-duration must be at least {SHORTEST:g} from outside, got "
            f"{given.slow_callback_duration:g}: run loopwatch in the process for less"
        )


def measured(given: Namespace) -> Any:
    """Look at the process until it is over, and return the measurement."""
    from loopwatch.tools.cli import measuring
    from loopwatch.tools.diagnose.watching import Watching

    with attached(given) as page:
        watching = Watching(page.read, CommandError)
        watching.start()
        with leaving_on_signals():
            show(given, page, watching, ending(given.duration, page))
        page.settle()
        watching.stop()
        last = watching.latest
        return measuring.measurement(
            watching,
            until=last.at,
            url=page.url,
            readable=page.readable,
            ended=None if page.alive else "its process has gone",
            outside=(*page.unknown, *uncertain(last.snapshot.dropped)),
        )


@contextmanager
def attached(given: Namespace) -> Iterator[AttachedPage]:
    """Look from inside where that is possible, else from outside."""
    attach_refusal.check(ProcessTree(), given.pid)
    page: AttachedPage = inside_page(given) or OutsidePage(given.pid, given.slow_callback_duration)
    try:
        yield page
    finally:
        page.close()


def inside_page(given: Namespace) -> InsidePage | None:
    """Return the process with a probe in it; None where it has children, which may have loops."""
    if given.outside or not hasattr(sys, "remote_exec"):
        return None
    if len(ProcessTree().family(given.pid)) > 1:
        return None
    try:
        return InsidePage(given.pid, given.slow_callback_duration)
    except InsideError as error:
        sys.stderr.write(f"loopwatch: no probe within process {given.pid}: {safe(str(error))}\n")
        return None


def ending(duration: float | None, page: AttachedPage) -> Callable[[], bool]:
    """Return a function that tells whether the time is up or the process has gone."""
    until = time.monotonic() + duration if duration is not None else None

    def over() -> bool:
        return (until is not None and time.monotonic() >= until) or not page.alive

    return over


def show(given: Namespace, page: AttachedPage, watching: Any, over: Callable[[], bool]) -> None:
    """Show the live table, or without a terminal a line of progress, until it is over."""
    from loopwatch.tools.cli import measuring, terminal, top_command
    from loopwatch.tools.cli.follower import Follower
    from loopwatch.tools.cli.progress import progress

    console = terminal.Console(highlight=False)
    if console.is_terminal:
        view = Namespace(url=f"process {given.pid}", sort=given.sort, remark=page.remark)
        follower = Follower(page, INTERVAL)
        follower.start()
        top_command.watch(console, follower, view, over)
        return
    began = time.monotonic()
    sys.stderr.write(f"loopwatch: watching {page.url} {page.view}; Ctrl-C reports\n")
    with progress(lambda: measuring.watched_line(time.monotonic() - began, watching)):
        while not over():
            time.sleep(GLANCE)


def uncertain(dropped: Mapping[str, int]) -> Iterator[str]:
    """Yield why some busy times are no stalls."""
    if dropped.get(MANY_STEPS):
        yield (
            f"{MANY_STEPS}: the loop was busy without one line to blame, each look at the stack "
            "showed another step. These are no stalls."
        )
    if dropped.get(UNSEEN):
        yield (
            f"{UNSEEN}: py-spy was too late, so it is not known whether it was one step. Watch "
            "with less load on the machine, or run loopwatch in the process."
        )
