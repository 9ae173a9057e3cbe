"""A file that is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

LONGEST = 100  # characters of its name that the name of the new one has


def replace(path: Path, content: bytes) -> None:
    """Replace a file atomically: a reader sees the whole old or the whole new one. What is written
    first has a name that nobody can foresee. Raises OSError."""
    new = path.with_name(f".{path.name[:LONGEST]}.{os.urandom(8).hex()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.replace(new, path)  # a link there is replaced, not followed
    except BaseException:
        new.unlink(missing_ok=True)
        raise
