"""What follows `loopwatch run`, as uvicorn's own command line reads it: its options, not ours.

So an option that uvicorn has is an option that we have, with its defaults and its `UVICORN_*`
variables, in whatever release is installed.
"""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from loopwatch.core.extras import MissingExtraError
from loopwatch.tools.cli.command_error import CommandError

NAME = "loopwatch run"
LOOPS = ("auto", "asyncio", "uvloop", "none")
PORTS = range(65536)
LISTS = ("reload_dirs", "reload_includes", "reload_excludes")
OURS = ("app", "app_dir", "factory", "version")  # not for `uvicorn.Config` as we call it
UNSET = ("log_config", "timeout_graceful_shutdown")  # then we have defaults of our own


@dataclass(frozen=True, slots=True)
class Served:
    """An app to serve, and how."""

    app: str  # module:attribute
    factory: bool
    app_dir: str
    options: dict[str, Any] = field(repr=False)  # of `uvicorn.Config`

    @property
    def is_elsewhere(self) -> bool:
        """Whether uvicorn itself opens what it listens on: a Unix socket or a descriptor."""
        return self.options.get("uds") is not None or self.options.get("fd") is not None


def parsed(words: Sequence[str]) -> Served:
    """Return what uvicorn's command line says; raises CommandError if it is wrong."""
    from loopwatch.tools.cli.serving import uvicorn

    if not words:
        raise CommandError(
            f"the following arguments are required: APP, or -- COMMAND (see {NAME} --help)"
        )
    try:
        given: dict[str, Any] = uvicorn.main.make_context(NAME, [*words]).params
    except Exception as error:
        raise problem(error) from error
    check(given)
    known = inspect.signature(uvicorn.Config).parameters
    options = {n: v for n, v in given.items() if n in known and n not in OURS}
    options |= {name: list(given.get(name) or ()) or None for name in LISTS}
    options["headers"] = [tuple(text.split(":", 1)) for text in given.get("headers") or ()]
    for name in UNSET:
        if options.get(name) is None:
            options.pop(name, None)
    return Served(given["app"], bool(given.get("factory")), given.get("app_dir") or "", options)


def problem(error: Exception) -> BaseException:
    """Return what click raised as ours: an error, or an exit such as that of `--version`."""
    if (code := getattr(error, "exit_code", None)) is not None and not str(error).strip("0"):
        return SystemExit(code)
    tell = getattr(error, "format_message", None)
    if tell is None:
        return error
    text = " ".join(str(tell()).split())
    return CommandError(f"{text} (see {NAME} --help)")


def check(given: dict[str, Any]) -> None:
    port, loop = given.get("port"), given.get("loop")
    if port is not None and port not in PORTS:
        raise CommandError(
            f"--port must be a whole number from 0 to 65535, got '{port}' (see {NAME} --help)"
        )
    if loop is not None and loop not in LOOPS and ":" not in loop:
        raise CommandError(
            f"--loop must be {', '.join(LOOPS)} or module:factory, got {loop!r} (see {NAME} --help)"
        )
    for text in given.get("headers") or ():
        if ":" not in text:
            raise CommandError(f"--header must be name:value, got {text!r} (see {NAME} --help)")


def described() -> str:
    """Return the help on uvicorn's options."""
    try:
        from loopwatch.tools.cli.serving import uvicorn
    except MissingExtraError as error:
        return f"uvicorn's options: {error.told('run')}\n"
    command = uvicorn.main
    context = command.make_context(NAME, [], resilient_parsing=True)
    width = min(shutil.get_terminal_size().columns, 100)
    formatter = type(context).formatter_class(width=width)
    rows = [row for p in command.get_params(context) if (row := p.get_help_record(context))]
    with formatter.section("uvicorn's options"):
        formatter.write_dl(rows)
    return str(formatter.getvalue())
