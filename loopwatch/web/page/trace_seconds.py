"""How far back `trace.json` is asked to reach."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import parse_qs

from loopwatch.watch.flight import SPAN


def trace_seconds(scope: Any) -> float:
    """Return the query's `seconds` as a whole number up to 30, which it is without one, so that
    those who ask for nearly the same share an answer; raises ValueError for anything else."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    text = query.get("seconds", [str(SPAN)])[-1]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"seconds must be a number above 0, such as 10; {SPAN:g} is the most")
    return float(min(math.ceil(value), SPAN))
