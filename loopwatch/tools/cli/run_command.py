"""`loopwatch run`: any ASGI app under loopwatch, with no change to its code."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from loopwatch.core.hosts import is_loopback, is_welcome
from loopwatch.core.own_thread import OwnThread
from loopwatch.core.safe_text import safe
from loopwatch.tools.cli import target
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.watch.watch import Watch
from loopwatch.web.answering import HEADERS, respond, text_answer
from loopwatch.web.livez import livez
from loopwatch.web.metrics_app import header, metrics
from loopwatch.web.middleware import LoopWatchMiddleware
from loopwatch.web.page import page

PATIENCE = 5.0  # s for a clean exit once the parent is gone


class Leave(BaseException):
    """Raised by a signal to end."""


def run(arguments: Namespace) -> int:
    """Serve until a signal comes, and return 0; raises CommandError if it cannot."""
    from loopwatch.tools.cli import serving

    watch = make_watch(arguments)
    check_loop(arguments.loop)
    started = True
    with leaving_on_signals():
        if arguments.end_with_stdin:
            end_with_stdin()
        app = target.load(arguments.app, arguments.factory)
        with (
            serving.listen("", arguments.host, arguments.port) as listener,
            serving.listen("admin-", arguments.admin_host, arguments.admin_port) as own,
        ):
            say(
                f"loopwatch: {arguments.app} on {serving.address(listener)}; "
                f"live page {serving.address(own)}/, metrics {serving.address(own)}/metrics"
            )
            warn_if_open(arguments.admin_host)
            try:
                beside = admin(watch, arguments.admin_host, own.getsockname()[0])
                with serving.served_beside(beside, own):
                    watched = LoopWatchMiddleware(app, watch=watch)
                    started = serving.serve(
                        watched, listener, arguments.loop, not arguments.no_access_log
                    )
            finally:
                watch.stop()
    if not started:
        raise CommandError(f"{arguments.app} must start up, and its lifespan failed: see above")
    return 0


def make_watch(arguments: Namespace) -> Watch:
    """Return a watch with the options of the environment; the command line overrides them."""
    environment = dict(os.environ)
    if "slow_callback_duration" in arguments:
        text = str(arguments.slow_callback_duration)
        environment["LOOPWATCH_SLOW_CALLBACK_DURATION"] = text
    try:
        return Watch.from_env(environment)
    except (TypeError, ValueError) as error:
        raise CommandError(str(error)) from error


def check_loop(loop: str) -> None:
    if loop == "uvloop" and importlib.util.find_spec("uvloop") is None:
        raise CommandError(
            "--loop uvloop must have uvloop, and it is not installed: pip install uvloop, "
            "or leave --loop out"
        )


def admin(watch: Watch, host: str, address: str) -> Callable[..., Awaitable[None]]:
    """Return the app of the admin port, which listens on a host's address: `/metrics`, `/livez`,
    and the page."""
    apps = {"/metrics": metrics(), "/livez": livez(watch)}
    live = page(watch)

    async def route(scope: Any, receive: Any, send: Any) -> None:
        if not is_welcome(header(scope, b"host"), host, address):
            answer = text_answer(421, "this port is not that host's")
            await respond(scope["method"], answer, HEADERS, send)
            return
        await apps.get(scope.get("path", "").rstrip("/"), live)(scope, receive, send)

    return route


def warn_if_open(host: str) -> None:
    if not is_loopback(host):
        say(f"loopwatch: every client that reaches {host} can read function names, files, routes")


def say(text: str) -> None:
    print(safe(text), file=sys.stderr, flush=True)


def end_with_stdin() -> None:
    """Exit cleanly once standard input closes; after `PATIENCE`, exit in any case."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)
        os._exit(1)

    OwnThread(wait, "loopwatch-stdin").start()


@contextmanager
def leaving_on_signals() -> Iterator[None]:
    """Continue after this `with` block at Ctrl-C or SIGTERM.

    While it serves, uvicorn handles both: it exits cleanly, then raises the signal again.
    """

    def leave(number: int, frame: Any) -> None:
        raise Leave

    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():  # only it may set handlers
        before = {n: signal.signal(n, leave) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Leave:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
