"""The demo as a command: checks, socket, server, tour."""

import asyncio
import socket
import sys
import time
from collections.abc import Sequence

import asyncpg
import uvicorn

from examples.demo import telemetry
from examples.demo.app import create_app
from examples.demo.arguments import Arguments, ArgumentsError, parse
from examples.demo.console import Console, log_to
from examples.demo.settings import Settings, SettingsError
from examples.demo.tour import Tour
from examples.demo.user_table import fill_postgres
from loopwatch import Watch

HOST = "127.0.0.1"
WRONG = 2  # exit code: the demo could not start as asked
GRACE = 3  # s for requests under way at the end


def serve(texts: Sequence[str]) -> int:
    """Run the demo as the command line `texts` says; return the exit code."""
    started = time.monotonic()
    try:
        arguments = parse(texts)
        settings = Settings.from_env()
        telemetry.set_up()
        check_database(settings)
        listener = listen(arguments.port)
    except (ArgumentsError, SettingsError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return WRONG
    run(arguments, settings, listener, started)
    return 0


def run(arguments: Arguments, settings: Settings, listener: socket.socket, started: float) -> None:
    console, watch = Console(), Watch()
    log_to(console)
    config = uvicorn.Config(
        create_app(watch, settings),
        loop=arguments.loop,
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE,
    )
    config.load()  # imports uvicorn's parts: on the loop that would be its first stall
    server = uvicorn.Server(config)
    url = f"http://{HOST}:{arguments.port}"
    ends_at = None if arguments.seconds is None else started + arguments.seconds
    tour = Tour(server, watch, console, url, ends_at)
    tour.start()
    try:
        server.run(sockets=[listener])
    finally:  # after Ctrl-C uvicorn exits cleanly, then raises the signal again
        tour.stop()


def listen(port: int) -> socket.socket:
    """Open the demo's socket.

    Raises:
        ArgumentsError: the port is not free.
    """
    try:
        # made anew, its protocol is TCP: asyncio sets TCP_NODELAY only then
        return socket.socket(fileno=socket.create_server((HOST, port)).detach())
    except OSError as error:
        raise ArgumentsError(
            f"--port must be free, got {port} ({error.strerror}): "
            "end what listens there, or give another --port"
        ) from error


def check_database(settings: Settings) -> None:
    """Fill the table in the database of DATABASE_URL, if that is set.

    Raises:
        SettingsError: the database cannot be reached.
    """
    if settings.database_url is None:
        return
    try:
        asyncio.run(fill_postgres(settings.database_url))
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SettingsError(
            f"DATABASE_URL must name a PostgreSQL that answers, got {type(error).__name__} "
            f"({error}): start it, or unset DATABASE_URL to do without"
        ) from error
