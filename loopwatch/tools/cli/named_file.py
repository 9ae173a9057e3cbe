"""A file that the command line names, parsed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

from loopwatch.tools.cli.command_error import CommandError

LARGEST = 32 << 20  # bytes


def document(
    what: str, kind: str, path: str, loads: Callable[[str], Any], largest: int = LARGEST
) -> Any:
    """Return what is in a file.

    Args:
        what: the file's name in an error, such as `--plan`.
        kind: the format, such as `TOML`.
        path: where it is.
        loads: parses its text; raises ValueError if that is not of the format.
        largest: how many bytes it may have.

    Raises:
        CommandError: it cannot be read, or has another format.
    """
    try:
        return loads(content(path, largest).decode("utf-8"))
    except OSError as error:
        why = error.strerror or str(error)
        raise CommandError(f"{what} must be a file to read, got {path} ({why})") from error
    except ValueError as error:  # neither of the format nor UTF-8
        raise CommandError(f"{what} must be {kind}, got {path}: {error}") from error
    except RecursionError:
        raise CommandError(f"{what} must be {kind} that is less deep, got {path}") from None


def content(path: str, largest: int) -> bytes:
    """Return what is in an ordinary file; raises OSError for any other, or a large one."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe may have nobody
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is no ordinary file")
        with open(descriptor, "rb", closefd=False) as file:
            found = file.read(largest + 1) if status.st_size <= largest else b""
    finally:
        os.close(descriptor)
    if max(status.st_size, len(found)) > largest:
        raise OSError(f"it has more than {largest >> 20} MiB")
    return found
