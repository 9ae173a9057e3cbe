"""The peer of the socket that a chain waits for, by the transport of the objects whose methods its
coroutines are. Only attributes are read, and only of a library's objects below the own line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loopwatch.core.names import attribute
from loopwatch.core.safe_text import label
from loopwatch.waits.identity import own_object
from loopwatch.waits.task_chain import Link

FRAMES = 6  # of a chain, the innermost, looked at
WAYS = ("_transport", "transport", "_stream", "transport_stream", "_connection", "_conn", "pgconn")
DEEPEST = 4  # objects from a method's own to its transport
PIPES = ("Pipe", "Subprocess", "ReadUnix", "WriteUnix")


def peer_of(links: list[Link]) -> tuple[str, bool]:
    """Return `host:port` of the peer, empty if not known, and whether it is a pipe instead."""
    for link in links[: -FRAMES - 1 : -1]:
        for transport in transports(own_object(link)):
            if hasattr(type(transport), "host"):
                return of_postgres(transport), False
            if any(word in type(transport).__name__ for word in PIPES):
                return "", True
            found = address(attribute(transport, "get_extra_info"))
            if found:
                return found, False
    return "", False


def transports(thing: Any) -> Iterator[Any]:
    """Return the transports that an object of a library leads to."""
    for _ in range(DEEPEST):
        ways = (attribute(thing, name) for name in WAYS)
        thing = next((found for found in ways if found is not None), None)
        if thing is None:
            return
        if hasattr(type(thing), "get_extra_info") or hasattr(type(thing), "needs_password"):
            yield thing


def of_postgres(connection: Any) -> str:
    """Return the server of a connection of libpq, which has a socket of its own."""
    host, port = attribute(connection, "host"), attribute(connection, "port")
    if not isinstance(host, bytes) or not isinstance(port, bytes):
        return ""
    return label(f"{host.decode(errors='replace')}:{port.decode(errors='replace')}")


def address(ask: Any) -> str:
    """Return a peer's name as text; empty if the transport has none."""
    try:
        peer = ask("peername")
    except Exception:
        return ""
    if isinstance(peer, tuple) and len(peer) >= 2:
        host, port = peer[:2]
        return label(f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}")
    return label(peer) if isinstance(peer, str) else ""
