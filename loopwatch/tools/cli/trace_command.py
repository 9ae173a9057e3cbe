"""`loopwatch trace`: the flight recorder of a running process, written to a file.

A process is asked at its live page. Of a PID the page is found among the ports at which it listens,
from the admin port's number on, as `loopwatch run` takes them: its other ports are the app's own.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loopwatch.core.plural import counted
from loopwatch.core.safe_text import safe
from loopwatch.exporters.whole_file import replace
from loopwatch.tools.attach.listening_ports import listening_ports
from loopwatch.tools.attach.process_tree import ProcessTree
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.remote import Remote
from loopwatch.tools.cli.run_arguments import DEFAULTS

PATIENCE = 60.0  # s for the answer: it is large, and made with pauses
SOON = 2.0  # s after which it is said that there is something to wait for
TRIES = 64  # ports from that one on
VARIABLE = "LOOPWATCH_ADMIN_PORT"
ON = "run it with loopwatch run, or mount loopwatch.page(watch) in the app and give its URL"


def trace(given: Namespace) -> None:
    """Write the file; raises CommandError if there is none to write, or it cannot be written."""
    target = Path(os.path.abspath(given.output))
    check_target(target, given.output)
    with waiting("the trace"):
        content, found = recorded(given.where, given.seconds)
    write(target, content, given.output)
    loops = found["otherData"]["loops"]
    span = max((one["until"] - one["since"] for one in loops), default=0.0)
    sys.stdout.write(
        f"loopwatch: wrote {safe(given.output)}: {len(found['traceEvents'])} events, "
        f"{span:.1f} s of {counted(len(loops), 'loop')}; "
        "open it at https://ui.perfetto.dev\n"
    )


def recorded(where: str, seconds: float) -> tuple[bytes, Any]:
    """Return the trace of a live page or a process, as bytes and parsed."""
    if where.isascii() and where.isdigit():
        return of_process(int(where), seconds)
    if "://" not in where:
        raise CommandError(
            f"URL|PID must be the address of a live page, such as http://127.0.0.1:9464, or the "
            f"number of a process, got {where!r}"
        )
    return of_page(where, seconds)


def of_page(url: str, seconds: float) -> tuple[bytes, Any]:
    content, found = Remote(url, PATIENCE).text(f"trace.json?seconds={seconds:g}")
    if not is_trace(found):
        raise CommandError(
            f"{url} must be a live page of loopwatch, and its trace.json is no trace"
        )
    if not found["otherData"]["loops"]:
        raise CommandError(
            f"{url} has recorded nothing: no loop is watched yet, or the app's watch has "
            "flight_recorder=False"
        )
    return content, found


def is_trace(found: Any) -> bool:
    about = found.get("otherData") if isinstance(found, dict) else None
    loops = about.get("loops") if isinstance(about, dict) else None
    return (
        isinstance(loops, list)
        and isinstance(found.get("traceEvents"), list)
        and all(isinstance(one, dict) and is_span(one) for one in loops)
    )


def is_span(loop: dict[str, Any]) -> bool:
    return all(isinstance(loop.get(name), int | float) for name in ("since", "until"))


def of_process(pid: int, seconds: float) -> tuple[bytes, Any]:
    """Return the trace of a process; raises CommandError if it has no live page of its own."""
    tree = ProcessTree()
    if sys.platform != "linux":
        raise CommandError(f"a PID must be of Linux, got {sys.platform}: give the live page's URL")
    if not tree.exists(pid):
        raise CommandError(f"PID must be a running process, got {pid} and there is none")
    try:
        ports = admin_ports(pid)
    except PermissionError:
        raise CommandError(
            f"PID must be a process whose ports may be seen from here, got {pid} "
            f"({safe(tree.name(pid))}): run this as its user or with sudo, or give its live "
            "page's URL"
        ) from None
    except OSError:
        raise CommandError(f"PID must be a running process, got {pid}, which has ended") from None
    why = ""
    for host, port in ports:
        try:
            return of_page(f"http://{host}:{port}", seconds)
        except CommandError as error:
            why = f" ({error})"
    raise CommandError(
        f"PID must be a process with a live page of its own, got {pid} ({safe(tree.name(pid))}), "
        f"which has none from port {first_port(pid)} on{why}: {ON}"
    )


def admin_ports(pid: int) -> list[tuple[str, int]]:
    first = first_port(pid)
    return [(host, port) for host, port in listening_ports(pid) if 0 <= port - first < TRIES]


def first_port(pid: int) -> int:
    """Return the number from which the process's admin port is, by its environment."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, _, value = line.partition(b"=")
            if name == VARIABLE.encode() and int(value) > 0:
                return int(value)
    return int(DEFAULTS["admin_port"])


def check_target(target: Path, shown: str) -> None:
    """Raise CommandError for a file that cannot be written, before anybody is asked."""
    if target.is_dir():
        raise CommandError(f"--output must be a file, got {shown!r}, which is a folder")
    if not target.parent.is_dir():
        raise CommandError(
            f"--output must be in a folder that is there, got {shown!r}: make {target.parent} first"
        )
    if target.exists() and not target.is_file():
        raise CommandError(f"--output must be an ordinary file, got {shown!r}")


def write(target: Path, content: bytes, shown: str) -> None:
    try:
        replace(target, content)
    except OSError as error:
        why = error.strerror or str(error)
        raise CommandError(f"--output must be writable, got {shown!r} ({why})") from error


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on standard error that one waits, if it takes long."""
    timer = threading.Timer(SOON, lambda: sys.stderr.write(f"loopwatch: waiting for {what}...\n"))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
