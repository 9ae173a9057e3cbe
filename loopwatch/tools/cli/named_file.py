"""A file that the command line names, parsed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from loopwatch.tools.cli.command_error import CommandError


def document(what: str, kind: str, path: str, loads: Callable[[str], Any]) -> Any:
    """Return the parsed content of a file.

    Args:
        what: the file's name in an error, such as `--plan`.
        kind: the format, such as `TOML`.
        path: its path.
        loads: parses its text; raises ValueError for another format.

    Raises:
        CommandError: it cannot be read, or has another format.
    """
    try:
        return loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise CommandError(
            f"{what} must be a file to read, got {path} ({error.strerror})"
        ) from error
    except ValueError as error:  # neither of the format nor UTF-8
        raise CommandError(f"{what} must be {kind}, got {path}: {error}") from error
