"""Which hosts are this machine's own, and whom a request's `Host` may name.

A page of a foreign site can have its own name resolve to 127.0.0.1 and then read what listens
there (DNS rebinding). It cannot change the `Host` that its browser sends.
"""

from __future__ import annotations

import ipaddress
import re

HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:,/@\[\]]+?)\.?(:\d*)?", re.IGNORECASE)


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address is only reached from this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_welcome(header: str, listening: str, address: str) -> bool:
    """Return whether a request with this `Host` may be answered.

    `listening` is the host that was asked to listen, and `address` the one it listens on. Where
    others may connect as well, every name is right; and a request without a `Host` is no browser's.
    """
    if not header or not is_loopback(address):
        return True
    match = HOST.fullmatch(header.strip())
    host = match[1].strip("[]").lower() if match else ""
    return bool(host) and (is_loopback(host) or host == listening.lower())
