"""Fields of JSON from elsewhere, checked as they are read; ValueError for what they must not be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwatch.core.histogram import Histogram

MOST = 10_000  # rows of one kind
LENGTH = 1000  # characters of a text


def text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"a name must be text, got {type(value).__name__}")
    return value[:LENGTH]


def number(value: Any) -> float:
    """Return a number, finite as all of JSON's are here."""
    if type(value) not in (int, float):
        raise ValueError(f"a figure must be a number, got {type(value).__name__}")
    found: float = value
    return found


def amount(value: Any) -> float:
    """Return a number that is not negative."""
    if (found := number(value)) < 0:
        raise ValueError(f"an amount must be 0 or more, got {found:g}")
    return found


def count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("a count must be a whole number, 0 or more")
    return value


def rows(value: Any) -> list[Mapping[str, Any]]:
    """Return a list of objects."""
    if type(value) is not list or not all(type(row) is dict for row in value):
        raise ValueError("rows must be a list of objects")
    if len(value) > MOST:
        raise ValueError(f"there must be at most {MOST} rows of a kind, got {len(value)}")
    return value


def histogram(told: Any) -> Histogram:
    edges = tuple(map(amount, told["edges"]))
    counts, sums = tuple(map(count, told["counts"])), tuple(map(amount, told["sums"]))
    if not len(edges) + 1 == len(counts) == len(sums) or [*edges] != sorted(set(edges)):
        raise ValueError("a histogram must have a count and a sum for each bucket")
    return Histogram(edges, counts, sums)
