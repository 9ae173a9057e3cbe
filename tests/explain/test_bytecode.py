"""What else may have been slow than the call a late stack sample stands on."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from loopwatch.core.evidence import Spot
from loopwatch.explain.bytecode import Doubt, doubt, is_call, listing

BIG = [1, 2, 3]


def power(n: int) -> Any:
    return n**n


def after_power(n: Any) -> str:
    x = n**n
    return str.upper(x and "x")  # asked


def after_containment(n: int) -> str:
    if -n in BIG:
        n += 1
    return str.upper("no")  # asked


def after_a_callee(n: int) -> str:
    x = power(n)
    return str.upper(x and "x")  # asked


def with_its_own_operators(n: int) -> Any:
    return re.match("x", str(n**2))  # asked


def after_preparation(n: int) -> Any:
    data = list(range(n))[::-1]
    data.sort()  # asked


def after_a_text(n: int) -> Any:
    text = "a" * n + "b"
    return str.upper(text)  # asked


def after_a_loop(n: int) -> Any:
    for _ in range(n):
        n = n**1
        str.upper("x")  # asked


FUNCTIONS: list[tuple[Callable[[int], Any], tuple[Doubt, ...]]] = [
    (after_power, (Doubt.OPERATOR,)),
    (after_containment, (Doubt.OPERATOR,)),
    (after_a_callee, (Doubt.CALLEE,)),
    (with_its_own_operators, (Doubt.NOTHING, Doubt.CALLEE)),
    (after_preparation, (Doubt.NOTHING, Doubt.CALLEE)),
    (after_a_text, (Doubt.NOTHING,)),
    (after_a_loop, (Doubt.OPERATOR,)),
]


def last_call(function: Callable[[int], Any]) -> Spot:
    """Return a spot on the last call of the function, once its code has warmed up."""
    for _ in range(50):
        function(3)
    calls = [i for i in listing(function.__code__) if is_call(i.name)]
    return Spot(function.__code__, calls[-1].offset, calls[-1].line or 0, __name__)


@pytest.mark.parametrize(
    ("function", "doubts"), FUNCTIONS, ids=lambda f: getattr(f, "__name__", "")
)
def test_what_may_have_been_slow(function: Callable[[int], Any], doubts: tuple[Doubt, ...]) -> None:
    assert doubt(last_call(function)) in doubts


def test_off_a_call_anything_may() -> None:
    code = power.__code__
    assert doubt(Spot(code, 0, code.co_firstlineno, __name__)) is Doubt.ANYTHING
    assert doubt(Spot(code, 99_999, code.co_firstlineno, __name__)) is Doubt.ANYTHING


def test_a_listing_is_as_warm_as_the_code_is_now() -> None:
    """A function that was slow when it was cold may be so again: calls of C code are known then."""

    def measured(texts: list[str]) -> int:
        total = 0
        for text in texts:
            total += len(text)
        return total

    cold = {i.name for i in listing(measured.__code__)}
    for _ in range(100):
        measured(["a", "b"])
    warm = {i.name for i in listing(measured.__code__)}
    assert any("LEN" in name for name in warm - cold)  # of the call of len
