"""The progress of a measurement: one changing line, or without a terminal a line every 5 s."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from loopwatch.core.safe_text import safe
from loopwatch.tools.cli.terminal import Console, Live, Text

PERIOD = 0.5  # s
SELDOM = 5.0  # s, without a terminal


@contextmanager
def progress(line: Callable[[], str]) -> Iterator[None]:
    """Show the text of `line` on standard error inside the `with` block; a thread calls `line`."""
    console = Console(stderr=True, highlight=False)
    ended = threading.Event()
    show = live if console.is_terminal else seldom
    thread = threading.Thread(target=show, args=(console, line, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def live(console: Console, line: Callable[[], str], ended: threading.Event) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as shown:
        while not ended.wait(PERIOD):
            shown.update(Text(safe(line()), overflow="ellipsis", no_wrap=True), refresh=True)


def seldom(console: Console, line: Callable[[], str], ended: threading.Event) -> None:
    due = time.monotonic() + SELDOM
    while not ended.wait(PERIOD):
        if time.monotonic() >= due:
            console.print(safe(line()), soft_wrap=True, markup=False)
            due += SELDOM
