"""One answer of a server that may be hostile: of bounded size, in bounded time, from no other host.

A timeout of a socket is that of one read, so a server that sends a byte now and then would be
waited for for ever. Here a timer shuts the connection at the deadline, whatever it is about.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from typing import TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from loopwatch.core.version import __version__

T = TypeVar("T")

LARGEST = 32 << 20  # bytes of an answer
HOPS = 5  # redirects followed, on the same host
PIECE = 1 << 16  # bytes read at once
BUSY = 503  # the status of an answer that is to be asked for again later
SOONEST = 0.1  # s until then, at least
LATEST = 1.0  # s until then, at most, whatever the server says
HEADERS = {"Accept-Encoding": "identity", "User-Agent": f"loopwatch/{__version__}"}


class RefusedError(Exception):
    """What a server answers, and is not taken."""


class BusyError(Exception):
    """The server answers 503: it is there, and should be asked again after `again_in`, s."""

    def __init__(self, url: str, again_in: float) -> None:
        super().__init__(f"{url} is busy (it answers {BUSY})")
        self.again_in = again_in


def download(url: str, patience: float) -> bytes:
    """Return the body of an answer with status 200.

    Raises:
        RefusedError: there is an answer, and it is none to take.
        BusyError: there is one, and it says to ask again.
        OSError: there is no answer; TimeoutError: not within `patience`, s.
    """
    deadline = monotonic() + patience
    for _ in range(HOPS):
        found = answer(url, deadline)
        if isinstance(found, bytes):
            return found
        there = urljoin(url, found)
        if origin(urlsplit(there)) != origin(urlsplit(url)):
            raise RefusedError(f"{url} redirects to {there[:200]}, which is another host or port")
        url = there
    raise RefusedError(f"{url} redirects again and again")


def origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    try:
        port = parts.port
    except ValueError:
        raise RefusedError("it redirects to what is no address") from None
    return parts.scheme, parts.hostname, port or {"http": 80, "https": 443}.get(parts.scheme)


def answer(url: str, deadline: float) -> bytes | str:
    """Return the body of an answer, or where it redirects to."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    left = max(0.001, deadline - monotonic())
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=left)
        with closing(connection), Deadline(left) as limit:
            return limit.kept(lambda: asked(connection, parts, limit))
    except HTTPException as error:
        raise ConnectionError(f"{type(error).__name__}: {error}"[:200]) from error
    except ValueError as error:  # a host or a path that cannot be sent
        raise ConnectionError(str(error)[:200]) from error


class Deadline:
    """Shuts a connection when the time is over."""

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self.socket: socket.socket | None = None  # a response takes it from its connection
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()

    def _shut(self) -> None:
        self.is_over = True
        if self.socket is not None:
            with suppress(OSError):  # it has ended by itself
                self.socket.shutdown(socket.SHUT_RDWR)

    def kept(self, get: Callable[[], T]) -> T:
        """Return what `get` does; raises TimeoutError if the time is over by then."""
        try:
            found = get()
        except (OSError, HTTPException):
            self.check()
            raise
        self.check()
        return found

    def check(self) -> None:
        if self.is_over:
            raise TimeoutError("timed out")


def asked(connection: HTTPConnection, parts: SplitResult, limit: Deadline) -> bytes | str:
    connection.connect()
    limit.socket = connection.sock
    limit.check()  # before there was anything to shut
    what = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    connection.request("GET", what, headers=HEADERS)
    with connection.getresponse() as response:
        return body(response, parts.geturl())


def body(response: HTTPResponse, url: str) -> bytes | str:
    where = response.getheader("location")
    if response.status in (301, 302, 303, 307, 308) and where is not None:
        return where
    if response.status == BUSY:
        raise BusyError(url, again_in(response.getheader("retry-after") or ""))
    if response.status != 200:
        raise RefusedError(f"{url} answers {response.status}")
    pieces, size = [], 0
    while piece := response.read1(PIECE):
        size += len(piece)
        if size > LARGEST:
            raise RefusedError(f"{url} answers more than {LARGEST >> 20} MiB")
        pieces.append(piece)
    if response.length:
        raise ConnectionError("the answer ended too early")
    return b"".join(pieces)


def again_in(said: str) -> float:
    """Return in how many s to ask again, by a Retry-After that may be anything."""
    digits = said.strip()
    seconds = float(digits) if digits.isascii() and digits.isdigit() and len(digits) < 9 else LATEST
    return min(max(seconds, SOONEST), LATEST)
