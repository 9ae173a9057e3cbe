"""The demo's visits: an open model, so that a held loop does not slow the visitors."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Visit:
    """One kind of request, and its frequency."""

    method: str
    path: str
    every: float  # s between two of this kind
    good: bool
    json: Any = field(default=None, hash=False)


def bad(method: str, path: str, *, every: float = 4.5, json: Any = None) -> Visit:
    return Visit(method, path, every, good=False, json=json)


def good(method: str, path: str, *, every: float = 1.0, json: Any = None) -> Visit:
    return Visit(method, path, every, good=True, json=json)


VISITS = (
    bad("GET", "/sleep/async-def", every=3),
    good("GET", "/sleep/def"),
    good("GET", "/sleep/to-thread"),
    bad("GET", "/cpu/async-def"),
    good("GET", "/cpu/def", every=9),
    good("GET", "/cpu/process-pool", every=4.5),
    bad("GET", "/users/sqlite3/7"),
    good("GET", "/users/aiosqlite/7", every=3),
    bad("POST", "/chat/openai", every=3, json={}),
    good("POST", "/chat/async-openai", json={}),
    good("POST", "/chat/stream", json={}),
    bad("POST", "/embeddings/openai", json={}),
    good("POST", "/embeddings/async-openai", json={}),
    good("POST", "/azure/chat", json={}),
    good("POST", "/classify/serial", every=3, json={}),
    good("POST", "/classify/gather", every=3, json={}),
    good("POST", "/classify/each", every=3, json={}),
    good("POST", "/classify/deadline", every=3, json={}),
    bad("GET", "/pdf/direct"),
    good("GET", "/pdf/to-thread", every=9),
    bad("GET", "/dependency/blocking"),
    good("GET", "/dependency/threaded"),
    bad("GET", "/child-task/blocking"),
    good("GET", "/child-task/waiting"),
    bad("WEBSOCKET", "/websocket/blocking"),
    good("WEBSOCKET", "/websocket/waiting", every=2),
    bad("POST", "/background/blocking"),
    good("POST", "/background/threaded"),
)

MOST = 1000  # visits in one load, at most


def schedule(seconds: float) -> list[tuple[float, Visit]]:
    """Return the time of each visit in a load of `seconds`, in seconds from its start."""
    return sorted(arrivals(seconds), key=lambda arrival: arrival[0])[:MOST]


def arrivals(seconds: float) -> Iterator[tuple[float, Visit]]:
    for index, visit in enumerate(VISITS):
        at = visit.every * index / len(VISITS)  # spread, so that they do not come all at once
        while at < seconds:
            yield at, visit
            at += visit.every
