"""A row of the table: one question, and the share of its cases that is inside the bound.

A row without an expectation only tells: of what cannot be known from within the process, such as
the moment at which somebody else's answer came, or of how far off the rest is.
"""

import math
from collections.abc import Hashable, Iterable
from typing import NamedTuple, TypeVar

from .recount import Request

K = TypeVar("K", bound=Hashable)
ROUNDING = 1e-5  # s between two sums of the same seconds
HEADING = f"{'what':44} {'bound':6} {'cases':>5} {'want':>5} {'got':>8} {'':6} worst"


class Row(NamedTuple):
    what: str
    bound: str
    cases: int
    got: float | None  # share inside the bound
    expected: float | None  # None: only told
    worst: str = ""
    firm: bool = False  # a CPU that was taken away is no excuse

    @property
    def holds(self) -> bool:
        """99 of 100 is at most one miss in each hundred begun."""
        if self.expected is None:
            return True
        if self.got is None:
            return False
        misses, most = (1 - self.got) * self.cases, (1 - self.expected) * self.cases
        return round(misses) <= math.ceil(round(most, 6))

    def __str__(self) -> str:
        got = "" if self.got is None else f"{self.got:.2%}"
        expected = "told" if self.expected is None else f"{self.expected:.0%}"
        verdict = "" if self.expected is None else "ok" if self.holds else "WRONG"
        counted = f"{self.bound:6} {self.cases:5} {expected:>5} {got:>8}"
        return f"{self.what:44} {counted} {verdict:6} {self.worst}"


class Case(NamedTuple):
    """One part of one request, s."""

    request: Request
    truth: float
    told: float

    @property
    def error(self) -> float:
        return abs(self.told - self.truth)

    def __str__(self) -> str:
        whose = f"{self.request.route}, number {self.request.number}"
        return f"{self.told * 1e3:.1f} ms of {self.truth * 1e3:.1f} ms ({whose})"


class Sum(NamedTuple):
    """Something of one stall."""

    stall: str
    error: float  # share
    told: str


def within(what: str, cases: list[Case], bound: float, expected: float | None) -> Row:
    """Return how many cases are at most `bound` seconds from the truth."""
    shown = f"{bound * 1e3:.0f} ms"
    if not cases:
        return Row(what, shown, 0, None, expected, "no case")
    good = sum(case.error <= bound for case in cases)
    worst = max(cases, key=lambda case: case.error)
    return Row(what, shown, len(cases), good / len(cases), expected, str(worst))


def in_all(what: str, cases: list[Case]) -> Row:
    """Return the seconds of all cases, which even out where single ones cannot be known."""
    told, truth = sum(case.told for case in cases), sum(case.truth for case in cases)
    return Row(what, "", len(cases), None, None, compared(told, truth))


def total(what: str, told: float, truth: float, bound: float | None) -> Row:
    """Return whether a total is at most the share `bound` from the truth; None only tells."""
    if bound is None:
        return Row(what, "", 1, None, None, compared(told, truth))
    got = float(abs(told - truth) <= bound * truth)
    return Row(what, f"{bound:.0%}", 1, got, 1.0, compared(told, truth))


def compared(told: float, truth: float) -> str:
    return f"{told:.2f} of {truth:.2f}" + (f" ({told / truth - 1:+.1%})" if truth else "")


def stall_by_stall(what: str, sums: list[Sum], bound: float, expected: float | None) -> Row:
    if not sums:
        return Row(what, f"{bound:.0%}", 0, None, None, "no stall had so many victims")
    good = sum(each.error <= bound for each in sums)
    worst = max(sums, key=lambda each: each.error)
    told = f"{worst.error:.1%}: {worst.told} ({worst.stall})"
    return Row(what, f"{bound:.0%}", len(sums), good / len(sums), expected, told)


def added(pairs: Iterable[tuple[K, float]]) -> dict[K, float]:
    sums: dict[K, float] = {}
    for key, value in pairs:
        sums[key] = sums.get(key, 0.0) + value
    return {key: value for key, value in sums.items() if value}


def agreement(what: str, one: dict[K, float], other: dict[K, float]) -> Row:
    """Return whether two tables agree, key by key."""
    keys = sorted(one.keys() | other.keys(), key=str)
    pairs = {key: (one.get(key, 0.0), other.get(key, 0.0)) for key in keys}
    off = [f"{key}: {a:.6f}, {b:.6f}" for key, (a, b) in pairs.items() if abs(a - b) > ROUNDING]
    got = 1 - len(off) / len(pairs) if pairs else 0.0
    return Row(what, "10 us", len(pairs), got, 1.0, "; ".join(off[:2]), firm=True)
