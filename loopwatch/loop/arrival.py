"""How long a request lay in the kernel before the app saw it.

Rule: right or absent, to a tick of the kernel's clock either way (4 ms at 250 Hz, 10 ms at 100 Hz).
A virtual machine kept from its CPU turns that clock over late, and is wrong by as much.

Linux notes when data last came in on a connection and when some was last sent, and tells with
TCP_INFO how long ago that is (`struct tcp_info` in linux/tcp.h). While the loop is held nobody
reads the socket, so the age of the data is the request's wait, that before `accept` included. A
client answers what it was sent, so whatever was sent later than data came in shows that the data
belong to more than this request: requests in a pipeline, or a TLS handshake whose last message
shared its packet with the request. Then nothing is known. Where more came in after the request's
head, a body that was still arriving or a request pipelined behind it, the age is that of the last
of it: the request has waited at least so long.

The server's transport is found behind its `receive`: so it is under uvicorn, with each of its HTTP
and WebSocket implementations, on asyncio and uvloop. A `receive` that a middleware has wrapped is
not followed: how long such a middleware took before it called on is not time in the kernel.

Tried and dropped: the phase of the kernel's tick, for half the error, from CLOCK_MONOTONIC_COARSE:
that clock does not turn over at the same moment as the one that stamps the data. A kernel that only
imitates Linux may leave all of it 0: times beside a segment size of 0 are not believed.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from typing import Any

from loopwatch.core.guard import log_once

LINUX = sys.platform == "linux"
IPPROTO_TCP, TCP_INFO = 6, 11  # linux/in.h, linux/tcp.h
TIMES = struct.Struct("=20xI20xI4xI")  # tcpi_rcv_mss (bytes), _last_data_sent, _last_data_recv (ms)


def queued(scope: Mapping[str, Any], receive: Any) -> float | None:
    """Return s that a request has been in the kernel until now; None where that is not known.

    To be called as the app is, on the loop's thread. It costs two system calls at most, so ask
    only when the loop has just been busy. Nothing is raised.
    """
    try:
        if not LINUX or not scope.get("http_version", "1.1").startswith("1"):
            return None  # the requests of an HTTP/2 connection share one socket
        return age(receive.__self__.transport.get_extra_info("socket"))
    except (AttributeError, OSError, ValueError):
        return None  # no transport behind it; no TCP; closed, which is a ValueError on uvloop
    except Exception:
        log_once("loopwatch.loop.arrival")
        return None


def age(connection: Any) -> float | None:
    """Return s since data last came in, unless some was sent after it."""
    if connection is None:
        return None
    info = connection.getsockopt(IPPROTO_TCP, TCP_INFO, TIMES.size)
    segment, sent, received = TIMES.unpack(info)
    return received / 1e3 if segment and sent >= received else None
