"""TCP_INFO of a connection by the addresses of its two ends, without its socket.

Some servers keep the sockets of their connections where no app can reach them: in a queue's task,
in Rust. On Linux the kernel tells of any connection of the network namespace, without privileges,
if it is asked over a netlink socket of NETLINK_SOCK_DIAG (`man 7 sock_diag`). One question takes 43
to 135 µs, so it is asked only if the loop has just been busy.

Rule: the answer is of the very connection, or there is none. A lookup without a match falls back to
the listening socket, so state and ports of the answer are compared. Where a server only knows that
it listens at all addresses (`0.0.0.0`, `::`, none), the address that this machine would use to
reach the client is tried; if the client called another one, there is no match.

Bounds: one netlink socket in a process, opened when it is first needed, closed with the last
watched loop, and not shared with a forked child. Nothing here waits: the kernel has answered when
`send` returns. Where the kernel refuses, nothing is asked any more (`refused` says why). After
`MISSES` questions in a row without a match (a proxy's addresses in the scope) it rests for `PAUSE`;
a slow one (the kernel looked for a module that is not there) counts as a quarter of these.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import struct
import time
from threading import Lock
from typing import Any, NamedTuple

from loopwatch.core.fork import on_fork
from loopwatch.core.guard import say

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, INET_DIAG_INFO = 4, 20, 2  # linux/sock_diag.h, inet_diag.h
NLM_F_REQUEST, NLMSG_ERROR = 1, 2  # linux/netlink.h
HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
QUESTION = struct.Struct("=BBBxI")  # inet_diag_req_v2: family, protocol, extensions, states
PORTS = struct.Struct("!HH")  # inet_diag_sockid: source, destination; then the two addresses
REST = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)  # any interface, no cookie
STATE, PORTS_AT, ATTRIBUTES = 17, 20, 88  # offsets in an answer, bytes
ATTRIBUTE = struct.Struct("=HH")  # length, type
OPEN_STATES = frozenset((1, 8))  # established; the client has finished sending
ANY_STATE = 0xFFFFFFFF
MAPPED = bytes(10) + b"\xff\xff"  # before an IPv4 address that is written as an IPv6 one
ANYWHERE = (None, "", "0.0.0.0", "::")  # hosts of a server that listens at all addresses
LONGEST = 8192  # bytes of an answer
SLOW = 0.005  # s of one question that the kernel took long for
MISSES = 32  # in a row
PAUSE = 60.0  # s
DISCARD = 9  # a port for `connect`, which sends nothing
UNSEEN = "how long requests were queued under a server that hides its sockets"


class End(NamedTuple):
    """One end of a connection."""

    family: int
    address: bytes
    port: int


class SocketDiagnosis:
    """Asks the kernel; on any loop's thread, one at a time."""

    def __init__(self) -> None:
        self.refused: str | None = None  # why nothing can be asked
        self._begin()
        on_fork(self._after_fork)

    def _begin(self) -> None:
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self._sequence = self._misses = 0
        self._resting_until = 0.0  # monotonic clock, s

    def _after_fork(self) -> None:
        """Have a socket of our own: an answer to the parent could reach the child."""
        inherited, refused = self._socket, self.refused
        self._begin()
        self.refused = refused
        if inherited is not None:
            inherited.close()

    def close(self) -> None:
        """Close the socket, unless a question is under way; the next one opens another.

        It may be called in the middle of any code, by the garbage collector, and waits for nothing.
        """
        if not self._lock.acquire(blocking=False):
            return
        known, self._socket = self._socket, None
        self._lock.release()
        if known is not None:
            known.close()

    @property
    def blind(self) -> tuple[str, ...]:
        """What a loop's watch cannot see because of `refused`."""
        if self.refused is None:
            return ()
        return (f"{UNSEEN} (the kernel says: {self.refused})",)

    def info(self, server: Any, client: Any) -> bytes | None:
        """Return `struct tcp_info` of the connection that a server has with a client; None if there
        is none, or the kernel cannot be asked.

        Args:
            server, client: host and port of each end as an ASGI scope has them.

        Raises:
            TypeError, ValueError, OSError: these are no addresses and ports of a TCP connection.
        """
        if self.refused is not None or not self._lock.acquire(blocking=False):
            return None
        try:
            began = time.monotonic()
            if began < self._resting_until:
                return None
            found = self._ask(*ends(server, client))
            self._count(found, time.monotonic() - began)
            return found
        finally:
            self._lock.release()

    def _count(self, found: bytes | None, took: float) -> None:
        missed = 1 if took < SLOW else MISSES // 4
        self._misses = 0 if found is not None else self._misses + missed
        if self._misses >= MISSES:
            self._misses, self._resting_until = 0, time.monotonic() + PAUSE

    def _ask(self, server: End, client: End) -> bytes | None:
        try:
            if self._socket is None:
                self._socket = opened()
            self._sequence = self._sequence % 0xFFFFFFFF + 1
            self._socket.send(question(server, client, self._sequence))
            return self._answer(server, client)
        except OSError as error:
            self._refuse(error)
            return None

    def _answer(self, server: End, client: End) -> bytes | None:
        assert self._socket is not None
        while True:
            data = self._socket.recv(LONGEST)
            length, kind, _, sequence, _ = HEADER.unpack_from(data)
            if sequence != self._sequence:  # of a question that was given up
                continue
            if kind == NLMSG_ERROR:
                (code,) = struct.unpack_from("=i", data, HEADER.size)
                if -code not in (errno.ENOENT, 0):
                    raise OSError(-code, os.strerror(-code))
                return None
            if kind != SOCK_DIAG_BY_FAMILY or data[STATE] not in OPEN_STATES:
                return None
            same = PORTS.unpack_from(data, PORTS_AT) == (server.port, client.port)
            return attribute(data[:length], INET_DIAG_INFO) if same else None

    def _refuse(self, error: OSError) -> None:
        self.refused = error.strerror or type(error).__name__
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        say(logging.INFO, "loopwatch cannot see %s", self.blind[0])


def opened() -> socket.socket:
    """Return a netlink socket that never waits."""
    family: int = getattr(socket, "AF_NETLINK", -1)
    made = socket.socket(family, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    made.setblocking(False)
    return made


def question(server: End, client: End, sequence: int) -> bytes:
    wanted = QUESTION.pack(server.family, socket.IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), ANY_STATE)
    addresses = server.address.ljust(16, b"\0") + client.address.ljust(16, b"\0")
    body = wanted + PORTS.pack(server.port, client.port) + addresses + REST
    length = HEADER.size + len(body)
    return HEADER.pack(length, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, sequence, 0) + body


def attribute(data: bytes, wanted: int) -> bytes | None:
    """Return the value of an attribute of an answer; None if it is not there."""
    at = ATTRIBUTES
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if length < ATTRIBUTE.size:
            return None
        if kind == wanted:
            return data[at + ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return None


def ends(server: Any, client: Any) -> tuple[End, End]:
    """Return both ends of a connection, in one family."""
    far = end(client[0], client[1])
    near = end(local_address(far) if server[0] in ANYWHERE else server[0], server[1])
    if near.family != far.family:
        raise ValueError(f"a connection has two ends of one family, got {server} and {client}")
    return near, far


def end(host: str, port: Any) -> End:
    """Return one end; an IPv4 address that is written as an IPv6 one is an IPv4 address."""
    if ":" not in host:
        return End(socket.AF_INET, socket.inet_pton(socket.AF_INET, host), int(port))
    address = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    if address.startswith(MAPPED):
        return End(socket.AF_INET, address[len(MAPPED) :], int(port))
    return End(socket.AF_INET6, address, int(port))


def local_address(client: End) -> str:
    """Return the address from which this machine reaches a client. Nothing is sent."""
    with socket.socket(client.family, socket.SOCK_DGRAM) as probe:
        probe.connect((socket.inet_ntop(client.family, client.address), DISCARD))
        found: str = probe.getsockname()[0]
    return found


DIAGNOSIS = SocketDiagnosis()
