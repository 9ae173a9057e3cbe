"""A folder that a command can write again without losing the user's changes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from loopwatch.exporters.whole_file import replace
from loopwatch.tools.cli.command_error import CommandError

SUMS = ".loopwatch.json"  # of each file, as it was written
NAMED = 3  # files named in one line


def write(folder: Path, texts: dict[str, str], force: bool) -> None:
    """Write files by their paths in a folder; write none if one may not be overwritten.

    Raises:
        CommandError: without `force`, the folder has other content, or files in it were
            changed; or it cannot be written.
    """
    with complaining(folder):
        contents = {path: text.encode() for path, text in texts.items()}
        if not force:
            check(folder, contents)
        check_links(folder, contents)
        for path, content in contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            replace(folder / path, content)
        sums = {path: sum_of(content) for path, content in contents.items()}
        replace(folder / SUMS, json.dumps(sums, indent=2).encode() + b"\n")


def check(folder: Path, contents: dict[str, bytes]) -> None:
    """Raise CommandError for files that this command did not write."""
    if not folder.exists():
        return
    others = sorted(path.name for path in folder.iterdir())
    if others and SUMS not in others:
        raise CommandError(
            f"DIR must be empty, or made by this command, got {folder} with {some(others)}: "
            "name another one, or add --force to write beside what is there"
        )
    if changed := [path for path in contents if is_changed(folder, path, contents[path])]:
        raise CommandError(
            f"DIR must be unchanged since this command wrote it, got {folder} with "
            f"{some(changed)} changed: "
            "keep the changes elsewhere, then add --force to overwrite them"
        )


def check_links(folder: Path, contents: Iterable[str]) -> None:
    """Raise CommandError for a link in the place of a folder within: it leads elsewhere."""
    inner = {parent for path in contents for parent in Path(path).parents} - {Path()}
    if links := sorted(str(path) for path in inner if (folder / path).is_symlink()):
        raise CommandError(
            f"DIR must have no links within, got {folder} with {some(links)}: remove them"
        )


def is_changed(folder: Path, path: str, content: bytes) -> bool:
    there = folder / path
    if not there.exists():
        return False
    return sum_of(there.read_bytes()) not in (sum_of(content), sums_in(folder).get(path))


def sums_in(folder: Path) -> dict[str, str]:
    """Return the checksums of the last write; empty if the file is not ours."""
    try:
        found = json.loads((folder / SUMS).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def sum_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def overwrite(path: Path, content: bytes) -> None:
    """Write into a file whose folder takes no other; OSError if it is a link."""
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0))
    with open(descriptor, "wb") as file:
        file.write(content)


def some(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


@contextmanager
def complaining(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = error.filename2 or error.filename or folder
        raise CommandError(
            f"DIR must be a folder that can be written, got {folder} ({error.strerror}: {what}): "
            "fix that, or name another folder"
        ) from error
