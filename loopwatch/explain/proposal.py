"""Whether an advice proposes a call that stands there already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

CONTRAST = re.compile(r"(?:instead of|in place of|without|not|leave out) [\w.]+(?:\([^)]*\))?")
NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\.\w+)*")
CAMEL = re.compile(r"[A-Z]+[a-z0-9]+\w*[A-Z]\w*")  # a class: of more than one word
OBJECTS = ("loop", "process", "client", "file")  # of which an advice speaks: of any name


def proposes(advice: str, stands: Iterable[str]) -> bool:
    """Return whether an advice proposes one of the calls that stand there, by their full names."""
    parts = [name.split(".") for name in stands]
    return any(part_of(proposed, name) for proposed in proposals(advice) for name in parts)


def proposals(advice: str) -> Iterator[list[str]]:
    """Return the calls and classes that an advice names, but for what it advises against."""
    for name in NAME.findall(CONTRAST.sub("", advice)):
        first, *rest = name.split(".")
        if rest:
            yield [first, *rest]
        elif CAMEL.fullmatch(first):
            yield [first]


def part_of(proposed: list[str], name: list[str]) -> bool:
    """Return whether all words of one name stand in another, in that order.

    `asyncio.to_thread` is `asyncio.threads.to_thread`: what is public is often defined elsewhere.
    """
    words = iter(name)
    return all(any(is_word(one, word) for word in words) for one in proposed)


def is_word(proposed: str, word: str) -> bool:
    return proposed == word or (proposed in OBJECTS and word.lower().endswith((proposed, "?")))
