"""`loopwatch run`: any ASGI app, or any program, under loopwatch, with no change to its code."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from loopwatch.core.hosts import is_loopback, is_welcome
from loopwatch.core.options import RUN_VARIABLES, VARIABLES, from_environment
from loopwatch.core.own_thread import OwnThread
from loopwatch.core.safe_text import safe
from loopwatch.startup.exit_summary import summary
from loopwatch.tools.cli import target
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.program import execute
from loopwatch.tools.cli.run_arguments import environment_of
from loopwatch.tools.cli.uvicorn_options import Served
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
    """Run a program, or serve an app until a signal comes, and return 0 then; raises CommandError
    if it cannot."""
    if arguments.tool:
        check_words(arguments)
        made(environment := environment_of(arguments))
        return execute(arguments.tool, environment)
    from loopwatch.tools.cli import serving, uvicorn_options

    served = uvicorn_options.parsed(arguments.served)
    check_loop(served.options["loop"])
    with leaving_on_signals():
        if served.app_dir:
            sys.path.insert(0, os.path.abspath(served.app_dir))
        config = serving.configured(served.app, served.options | {"log_config": None})
        environment = environment_of(arguments)  # with what --env-file has set
        if config.should_reload or config.workers > 1:
            return run_processes(arguments, served, environment, config.should_reload)
        serve(arguments, served, environment)
    return 0


def run_processes(
    arguments: Namespace, served: Served, environment: dict[str, str], reloads: bool
) -> int:
    """Run uvicorn as a program: it has children, and each is to be watched."""
    if arguments.end_with_stdin:
        raise CommandError("--end-with-stdin must be left out with --workers and --reload")
    made(environment)
    target.parts(served.app)
    if not reloads:  # else whoever edits the app is told by uvicorn
        target.find(served.app, served.factory)
    return execute([sys.executable, "-m", "uvicorn", *arguments.served], environment)


def serve(arguments: Namespace, served: Served, environment: dict[str, str]) -> None:
    """Serve an app in this process."""
    from loopwatch.tools.cli import serving

    watch, chosen = made(environment)
    if arguments.end_with_stdin:
        end_with_stdin()
    app = target.load(served.app, served.factory)
    admin_host, started = chosen["admin_host"], True
    with (
        listening(served) as listener,
        serving.listen("admin-", admin_host, chosen["admin_port"]) as own,
    ):
        say(
            f"loopwatch: {served.app} on {where(served, listener)}; "
            f"live page {serving.address(own)}/, metrics {serving.address(own)}/metrics"
        )
        warn_if_open(admin_host)
        try:
            beside = admin(watch, admin_host, own.getsockname()[0])
            with serving.served_beside(beside, own):
                watched = LoopWatchMiddleware(app, watch=watch)
                started = serving.serve(watched, listener, served.options)
        finally:
            watch.stop()
            if started and chosen["summary"]:
                sys.stderr.write(summary(watch.snapshot(recent=False)))
    if not started:
        raise CommandError(f"{served.app} must start up, and its lifespan failed: see above")


def listening(served: Served) -> AbstractContextManager[socket.socket | None]:
    """Return the socket to serve on; None where uvicorn opens it."""
    from loopwatch.tools.cli import serving

    if served.is_elsewhere:
        return nullcontext()
    return serving.listen("", served.options["host"], served.options["port"])


def where(served: Served, listener: socket.socket | None) -> str:
    from loopwatch.tools.cli import serving

    if listener is None:
        return f"unix:{served.options['uds']}" if served.options["uds"] else "its-descriptor"
    return serving.address(listener, "https" if served.options.get("ssl_certfile") else "http")


def check_words(arguments: Namespace) -> None:
    if arguments.served:
        raise CommandError(
            f"what is before -- must be loopwatch's own options, got {arguments.served[0]!r}: "
            "give the program's after its name (see loopwatch run --help)"
        )
    if arguments.end_with_stdin:
        raise CommandError(
            "--end-with-stdin must come with APP, got -- COMMAND: standard input is the program's "
            "own; leave it out"
        )


def made(environment: dict[str, str]) -> tuple[Watch, dict[str, Any]]:
    """Return a watch with the options of an environment, and the other options in it."""
    try:
        chosen = from_environment(RUN_VARIABLES, environment, VARIABLES)
        return Watch.from_env(environment), chosen
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
