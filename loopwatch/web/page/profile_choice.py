"""Which profile a request asks for: `?of=stalls`, the default, or `?of=loop_time`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from loopwatch.watch.profiles import PROFILES


def profile_of(scope: Any) -> str:
    """Return the query's `of`, the first of `PROFILES` without one; raises ValueError for what is
    no profile."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    asked: str = query.get("of", [PROFILES[0]])[-1]
    if asked not in PROFILES:
        raise ValueError(f"of must be {' or '.join(PROFILES)}, such as ?of={PROFILES[-1]}")
    return asked
