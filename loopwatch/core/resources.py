"""What a request can wait for: the values of the field and of the label `resource`."""

from __future__ import annotations

RESOURCES = {
    "lock": "an asyncio lock, or one of another async library",
    "semaphore": "a place of a semaphore or a limiter",
    "condition": "a condition's notification",
    "event": "an event to be set",
    "queue": "an item of a queue, or room in it",
    "pool": "a connection of a connection pool",
    "thread": "a worker thread: for one to be free, or for its result",
    "timer": "a sleep to be over",
    "socket": "bytes from a peer, a connection to it, or room to write",
    "process": "a subprocess to end or to write",
    "future": "a future that someone else sets",
    "unknown": "none of these, as far as is known",
}
