"""What happens in a play, in order, told without what differs from one process to the next."""

from __future__ import annotations

import gc
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PLAYERS = ("playing.py", "stage.py")  # their frames may stand at another depth when watched
DEEPEST = 5  # links of a chain of exceptions that are told


class Journal:
    """A list of events."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def add(self, *event: Any) -> None:
        self.events.append(event)


def text(thing: Any) -> str:
    """Return an object's text, or another text, without addresses and numbers of tasks."""
    plain = thing if isinstance(thing, str) else repr(thing)
    return re.sub(r"\bTask-\d+", "Task", re.sub(r"0x[0-9a-fA-F]+", "0x", plain))


def told(error: BaseException | None, depth: int = 0) -> Any:
    """Return all that can be seen of an exception: its frames as far as they are the programs'."""
    if error is None or depth == DEEPEST:
        return None
    frames = [
        (frame.f_code.co_name, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if is_programs(frame.f_code.co_filename)
    ]
    chain = told(error.__cause__, depth + 1), told(error.__context__, depth + 1)
    return type(error).__name__, text(error.args), frames, *chain, error.__suppress_context__


def is_programs(filename: str) -> bool:
    path = Path(filename)
    return path.parent == HERE and path.name not in PLAYERS


@contextmanager
def undisturbed(journal: Journal) -> Iterator[None]:
    """Have objects end when nobody holds them and at no other time; tell what cannot be raised."""

    def unraisable(unraised: Any) -> None:
        journal.add("unraisable", told(unraised.exc_value))

    hook, collects = sys.unraisablehook, gc.isenabled()
    gc.disable()
    sys.unraisablehook = unraisable
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.unraisablehook = hook
        if collects:
            gc.enable()
