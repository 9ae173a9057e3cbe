"""Whether an advice proposes a call that stands there already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

CONTRAST = re.compile(r"(?:instead of|in place of|without|not|leave out) [\w.]+(?:\([^)]*\))?")
NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\.\w+)*")
CAMEL = re.compile(r"[A-Z]+[a-z0-9]+\w*[A-Z]\w*")  # a class: of more than one word
ADVICES = 512  # whose proposals are remembered
OBJECTS = ("loop", "process", "client", "file")  # of which an advice speaks: of any name


def proposes(advice: str, stands: Iterable[str]) -> bool:
    """Return whether an advice proposes one of the calls that stand there, by their full names."""
    proposed = proposals(advice)
    parts = [name.split(".") for name in stands] if proposed else []
    return any(part_of(one, name) for one in proposed for name in parts)


@lru_cache(ADVICES)
def proposals(advice: str) -> tuple[list[str], ...]:
    """Return the calls and classes that an advice names, but for what it advises against."""
    return tuple(named(advice))


def named(advice: str) -> Iterator[list[str]]:
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
