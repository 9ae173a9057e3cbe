"""Plays programs on a loop that nobody watches and on a watched one: where do they differ?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from loopwatch import Watch

from .playing import play_all
from .playing_callbacks import play_all_callbacks
from .stage import a_loop, a_watched_loop

LONGEST = 1.0  # s: no step of a program is as long
ENDS = ("ends", "the exception ends", "unraisable")
Play = Callable[[range, Any, Watch | None], list[Any]]


class Difference(NamedTuple):
    """Where a watched play leaves the bare one first."""

    seed: int
    bare: Any
    watched: Any

    def __str__(self) -> str:
        return f"seed {self.seed}\n  bare     {self.bare}\n  watched  {self.watched}"


def requests(seeds: range, loop: Any, watch: Watch | None) -> list[Any]:
    """Play programs as requests; return what happened in each."""
    played: list[Any] = loop.run_until_complete(play_all(seeds, watch))
    return played


def callbacks(seeds: range, loop: Any, watch: Watch | None) -> list[Any]:
    """Play programs of callbacks; return what happened in each."""
    return play_all_callbacks(seeds, loop)


PLAYS: dict[str, Play] = {"requests": requests, "callbacks": callbacks}


def differences(play: Play, kind: str, seeds: range, slow: float) -> list[Difference]:
    """Play some seeds on both loops; whatever takes `slow` seconds is slow on the watched one.

    A slow callback keeps its context until it is explained, on another thread, so that what is in
    it may end later: where any is slow, the ends of objects are not compared.
    """
    with a_loop(kind) as loop:
        bare = play(seeds, loop, None)
    with a_watched_loop(kind, slow) as (loop, watch):
        watched = play(seeds, loop, watch)
    if slow < LONGEST:
        bare, watched = without_ends(bare), without_ends(watched)
    both = zip(seeds, bare, watched, strict=True)
    return [difference(*each) for each in both if each[1] != each[2]]


def without_ends(thing: Any) -> Any:
    """Return what happened but for the ends of objects."""
    if not isinstance(thing, list):
        return tuple(map(without_ends, thing)) if type(thing) is tuple else thing
    return [without_ends(each) for each in thing if not is_event(each) or each[0] not in ENDS]


def difference(seed: int, bare: Any, watched: Any) -> Difference:
    """Return the innermost two that differ."""
    while type(bare) is type(watched) and isinstance(bare, list | tuple):
        pairs: Iterator[Any] = itertools.zip_longest(bare, watched, fillvalue="nothing")
        bare, watched = next((one, other) for one, other in pairs if one != other)
        if is_event(bare) or is_event(watched):
            break
    return Difference(seed, bare, watched)


def is_event(thing: Any) -> bool:
    return isinstance(thing, tuple) and bool(thing) and isinstance(thing[0], str)
