"""When a request reached the proxy in front: the header X-Request-Start.

Rule: the header is read only if that was asked for, since any client can send it. A proxy that
sets it replaces what came with the request. Two headers, or an impossible time, are an error; no
value is guessed.

The header is a Unix time: nginx writes seconds (`t=${msec}` is `t=1700000000.123`), Heroku's router
milliseconds, Apache (`%t`) microseconds. The magnitude gives the unit: until the year 5138 seconds
have at most 11 digits, and since 1973 milliseconds have 12 to 14, microseconds 15 to 17.

It is as exact as the proxy's clock and format: whole seconds are up to 1 s too early.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HEADER = b"x-request-start"
FORM = re.compile(rb"[ \t]*(?:t=)?([0-9]{1,17})(\.[0-9]{1,9})?[ \t]*")
DIGITS = ((11, 1.0), (14, 1e3), (17, 1e6))  # before the point, at most; units per s
OLDEST = 60.0  # s; no proxy lets its clients wait longer by default
AHEAD = 0.1  # s that the proxy's clock may be ahead of ours


def since_proxy(headers: Iterable[tuple[bytes, bytes]], now: float) -> float | None:
    """Return s from the proxy's X-Request-Start until `now`; None without the header.

    Args:
        headers: those of an ASGI scope, names in lower case.
        now: Unix time, s.

    Raises:
        ValueError: the header makes no sense. The message does not quote it; callers count it.
    """
    values = [value for name, value in headers if name == HEADER]
    if not values:
        return None
    if len(values) > 1:
        raise nonsense(f"{len(values)} of them came")
    waited = now - unix_time(values[0])
    if waited > OLDEST:
        raise nonsense(f"one {waited:.0f} s old came")
    if waited < -AHEAD:
        raise nonsense(f"one {-waited:.1f} s in the future came")
    return max(waited, 0.0)


def unix_time(value: bytes) -> float:
    """Return s; raise ValueError if the value is no number of s, ms or µs."""
    match = FORM.fullmatch(value)
    if match is None:
        raise nonsense("something else came")
    whole, fraction = match.groups(b"")
    units = next(units for digits, units in DIGITS if len(whole) <= digits)
    return float(whole + fraction) / units


def nonsense(what: str) -> ValueError:
    return ValueError(
        f"X-Request-Start must be one Unix time in s, ms or µs, at most {OLDEST:.0f} s old; {what}:"
        " let the proxy in front set it, replacing what the client sent, and check the clocks"
    )
