"""`loopwatch top`: a live page in the terminal, read repeatedly."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from loopwatch.tools.cli.arguments import SORTS
from loopwatch.tools.cli.follower import Follower
from loopwatch.tools.cli.keys import keys
from loopwatch.tools.cli.remote import Remote
from loopwatch.tools.cli.run_command import leaving_on_signals

PIPED = 160  # columns, if the width is unknown
GLANCE = 0.1  # s between checks for a key, a new reading, a new size


def top(arguments: Namespace) -> None:
    """Show a live page until q or a signal; raises CommandError if there is no page."""
    from loopwatch.tools.cli import terminal

    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = terminal.Console(highlight=False, width=None if known else PIPED)
    try:
        with leaving_on_signals():
            follower = Follower(Remote(arguments.url), arguments.interval, arguments.show)
            if arguments.once:
                console.print(frame(console, follower, arguments))
                return
            follower.start()
            (watch if console.is_terminal else stream)(console, follower, arguments)
    except (BrokenPipeError, SystemExit):  # the reader has closed the pipe; rich makes it an exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def never() -> bool:
    return False


def watch(
    console: Any, follower: Follower, arguments: Namespace, over: Callable[[], bool] = never
) -> None:
    """Fill the terminal until q, or until it is `over`."""
    from loopwatch.tools.cli.terminal import Live

    with Live(console=console, screen=True, auto_refresh=False) as live, keys() as pressed:
        shown: Any = None
        while not over():
            now = follower.turn, follower.trouble, console.size, arguments.sort, follower.show
            if now != shown:
                live.update(frame(console, follower, arguments, fill=True), refresh=True)
                shown = now
            key = pressed(GLANCE)
            if key in ("q", "Q", "\x03"):
                return
            if key == "s":
                arguments.sort = SORTS[(SORTS.index(arguments.sort) + 1) % len(SORTS)]
            if key == "w":
                follower.show = "stalls" if follower.show == "waits" else "waits"


def stream(console: Any, follower: Follower, arguments: Namespace) -> None:
    """Print one reading after the other."""
    turn = -1
    while True:
        if turn != follower.turn:
            turn = follower.turn
            console.print(frame(console, follower, arguments), "")
            sys.stdout.flush()
        time.sleep(GLANCE)


def frame(console: Any, follower: Follower, arguments: Namespace, fill: bool = False) -> Any:
    """Return the drawing for now; `fill`: no higher than the terminal."""
    from loopwatch.tools.cli import screen, screen_parts

    view = screen_parts.View(
        url=arguments.url,
        sort=arguments.sort,
        show=follower.show,
        width=console.width,
        height=console.height if fill else None,
        colour=console.color_system is not None and not console.no_color,
        keys=fill,
        per_minute=follower.per_minute,
        trouble=follower.trouble,
        remark=getattr(arguments, "remark", ""),
    )
    return screen.drawn(follower.reading, view)
