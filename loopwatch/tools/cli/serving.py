"""Serving with uvicorn: the app in the main thread, loopwatch's own port in another thread."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from loopwatch.core.extras import MissingExtraError
from loopwatch.core.own_thread import OwnThread
from loopwatch.tools.cli.admin_loop import admin_loop
from loopwatch.tools.cli.command_error import CommandError

try:
    import uvicorn as uvicorn
    from uvicorn.config import LOGGING_CONFIG
    from uvicorn.protocols.http.auto import AutoHTTPProtocol
except ImportError as error:
    raise MissingExtraError(error, "run") from error

GRACE = 10  # s for requests under way at the end
CONNECTIONS = 100  # of the admin port, open at once; the oldest idle one makes room for another
READING = 5.0  # s to wait there for a client that sends a request
LENGTH = 300  # characters kept of an error
BACKLOG = 16  # connections there that are not accepted yet


def listen(prefix: str, host: str, port: int) -> socket.socket:
    """Open the socket of `--{prefix}host` and `--{prefix}port`.

    The socket is made anew from its descriptor, so that its protocol is TCP: asyncio sets
    TCP_NODELAY only then. Without it, an answer in two packets takes 40 ms on a reused connection.

    Raises:
        CommandError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.socket(fileno=socket.create_server((host, port), family=family).detach())
    except OSError as error:
        number = error.errno or 0  # negative for a host that cannot be resolved
        reason = os.strerror(number) if number > 0 else error.strerror
        raise CommandError(
            f"--{prefix}host and --{prefix}port must be free to listen on, got {host} port {port} "
            f"({reason}): end what listens there, or give another --{prefix}port"
        ) from error


def address(listener: socket.socket, scheme: str = "http") -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def configured(app: Any, options: dict[str, Any]) -> uvicorn.Config:
    """Return uvicorn's configuration of an app; raises CommandError if that fails."""
    try:
        return uvicorn.Config(app, **options)
    except Exception as error:
        raise CommandError(refused(error)) from error


def refused(error: Exception) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"uvicorn must accept its options, and does not: {text[:LENGTH]}"


def serve(app: Any, listener: socket.socket | None, options: dict[str, Any]) -> bool:
    """Serve an app until a signal comes; return whether it started up.

    Without a listener, uvicorn opens the Unix socket or the descriptor that the options name.
    """
    options = {"log_config": log_config(), "timeout_graceful_shutdown": GRACE} | options
    config = configured(app, options)
    try:
        config.load()  # imports uvicorn's parts: on the loop that would be its first stall
    except Exception as error:
        raise CommandError(refused(error)) from error
    server = uvicorn.Server(config)
    try:
        server.run(sockets=None if listener is None else [listener])
    except SystemExit:  # uvicorn: the lifespan failed; or the app itself exits
        if server.started:
            raise
    finally:
        if config.uds:
            with suppress(OSError):
                os.remove(config.uds)
    return server.started


def log_config() -> dict[str, Any]:
    """Return uvicorn's logging, with loopwatch's added unless the app has configured it."""
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    if not logging.getLogger("loopwatch").hasHandlers():
        config["loggers"]["loopwatch"] = {
            "handlers": ["default"],
            "level": "INFO",
            "propagate": False,
        }
    return config


class BoundedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """One connection of the admin port: idle ones are closed, and there is a bound on all."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.began = self.loop.time()
        self.loop.call_later(READING, self.close_unless_asked)
        others = [c for c in self.connections if not c.transport.is_closing()]
        if len(others) > CONNECTIONS:
            idle = (c for c in others if c is not self and c.idle)
            min(idle, key=lambda c: c.began, default=self).transport.abort()

    @property
    def idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def close_unless_asked(self) -> None:
        if self.cycle is None:
            self.transport.abort()


@contextmanager
def served_beside(app: Any, listener: socket.socket) -> Iterator[None]:
    """Serve an app on its own thread and loop: it answers while other loops are held."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        backlog=BACKLOG,
    )
    config.load()
    server = uvicorn.Server(config)
    thread = OwnThread(run_server, "loopwatch-admin", server, listener)
    with silenced(thread):
        thread.start()
        try:
            yield
        finally:
            server.should_exit = server.force_exit = True
            thread.join(timeout=GRACE)


def run_server(server: uvicorn.Server, listener: socket.socket) -> None:
    with asyncio.Runner(loop_factory=admin_loop) as runner:
        runner.run(server.serve(sockets=[listener]))


@contextmanager
def silenced(thread: threading.Thread) -> Iterator[None]:
    """Keep the routine messages of a thread's uvicorn out of the app's log."""

    def keep(record: logging.LogRecord) -> bool:
        return record.thread != thread.ident or record.levelno >= logging.WARNING

    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "uvicorn.access")]
    for logger in loggers:
        logger.addFilter(keep)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(keep)
