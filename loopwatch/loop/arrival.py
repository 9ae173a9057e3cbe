"""How long a request waited in the kernel before the app saw it.

Rule: the value is right or absent, to one tick of the kernel's clock (4 ms at 250 Hz, 10 ms at
100 Hz). If a virtual machine gets no CPU, that clock ticks late, and the value is off by as much.

Linux records when data last arrived on a connection and when data was last sent. TCP_INFO reports
both as ages (`struct tcp_info` in linux/tcp.h). A held loop does not read its socket, so the age of
the data is the request's wait, including the wait before `accept`. A client answers what it was
sent. So if data was sent after the last arrival, what arrived belongs to more than this request:
pipelined requests, or a TLS handshake whose last message shared a packet with the request. Then the
wait is unknown. If more data arrived after the request's head (the rest of a body, or a pipelined
request), the age is that of the latest data: the request has waited at least that long.

The server's transport is found through its `receive`. This works under uvicorn, with each of its
HTTP and WebSocket implementations, on asyncio and uvloop. Under other servers, and where a
middleware has wrapped `receive`, the kernel is asked by the connection's two addresses in the scope
(`socket_diagnosis`). A middleware in front that waits lets the loop wait in its poll, and the loop
state believes no age from before that (`believable`).

Tried and dropped: reading the phase of the kernel's tick from CLOCK_MONOTONIC_COARSE, to halve the
error. That clock does not tick at the same moment as the one that stamps the data. A kernel that
only imitates Linux may leave all fields 0, so ages are ignored where the segment size is 0.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from typing import Any

from loopwatch.core.guard import log_once
from loopwatch.loop.socket_diagnosis import DIAGNOSIS

LINUX = sys.platform == "linux"
IPPROTO_TCP, TCP_INFO = 6, 11  # linux/in.h, linux/tcp.h
TIMES = struct.Struct("=20xI20xI4xI")  # tcpi_rcv_mss (bytes), _last_data_sent, _last_data_recv (ms)


def queued(scope: Mapping[str, Any], receive: Any) -> float | None:
    """Return s that a request has been in the kernel until now; None where that is not known.

    Call it on the loop's thread when the app is called. It makes at most two system calls, so call
    it only when the loop has just been busy. Raises nothing.
    """
    try:
        if not LINUX or not scope.get("http_version", "1.1").startswith("1"):
            return None  # the requests of an HTTP/2 connection share one socket
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is not None:
            return age(transport.get_extra_info("socket"))
        info = DIAGNOSIS.info(scope["server"], scope["client"])
        return None if info is None else age_in(info)
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        return None  # no transport; no TCP; closed, which is a ValueError on uvloop; no addresses
    except Exception:
        log_once("loopwatch.loop.arrival")
        return None


def age(connection: Any) -> float | None:
    """Return s since data last came in, unless some was sent after it."""
    if connection is None:
        return None
    return age_in(connection.getsockopt(IPPROTO_TCP, TCP_INFO, TIMES.size))


def age_in(info: bytes) -> float | None:
    """Return the same from what the kernel says."""
    segment, sent, received = TIMES.unpack_from(info)
    return received / 1e3 if segment and sent >= received else None
