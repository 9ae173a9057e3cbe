"""Numbers of things, in words."""

from __future__ import annotations


def counted(count: int, what: str) -> str:
    """Return `1 stall`, `2 stalls`."""
    return f"{count} {what}{'' if count == 1 else 's'}"
