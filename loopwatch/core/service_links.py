"""Variables that Kubernetes sets for each Service, in every container of its namespace.

A Service named `loopwatch`, or `loopwatch-` and more, gives names that look like our options:
`LOOPWATCH_PORT=tcp://10.0.0.1:80`, `LOOPWATCH_SERVICE_HOST`, `LOOPWATCH_PORT_80_TCP_ADDR`. They are
known by name and value together, so that a mistyped option is refused all the same; Docker's links
are written alike.
"""

from __future__ import annotations

import re

URL = r"(tcp|udp|sctp)://\S+"
LINKS = (  # patterns of a name and a value
    (r"(\w+_)?PORT", URL),
    (r"(\w+_)?PORT_\d+_(TCP|UDP|SCTP)", URL),
    (r"(\w+_)?PORT_\d+_(TCP|UDP|SCTP)_PROTO", r"tcp|udp|sctp"),
    (r"(\w+_)?PORT_\d+_(TCP|UDP|SCTP)_PORT", r"\d+"),
    (r"(\w+_)?PORT_\d+_(TCP|UDP|SCTP)_ADDR", r"\S+"),
    (r"(\w+_)?SERVICE_HOST", r"\S*"),
    (r"(\w+_)?SERVICE_PORT(_\w+)?", r"\d+"),
)


def is_service_link(name: str, value: str) -> bool:
    """Return whether a variable is a Service's; `name` is without our prefix."""
    return any(re.fullmatch(n, name) and re.fullmatch(v, value) for n, v in LINKS)
