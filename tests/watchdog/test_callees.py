"""What a call runs is known without running any code of the app's."""

import functools
from typing import Any

import pytest

from loopwatch.watchdog.callees import codes_of

from .operators import Thing, power


@functools.lru_cache
def cached() -> None: ...


@functools.wraps(power)
def wrapped() -> None: ...


class Silent:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError("the object's own code ran")


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (power, ["power"]),
        (Thing().two_deep, ["two_deep"]),
        (Thing, ["__init__"]),
        (Thing(), ["__call__"]),
        (functools.partial(functools.partial(power, 1)), ["power"]),
        (cached, ["cached"]),
        (wrapped, ["wrapped", "power"]),
        (staticmethod(power), ["power"]),
        (len, []),
        ("".join, []),
        (int, []),
        (None, []),
        (Silent(), []),
    ],
    ids=repr,
)
def test_what_a_call_runs_is_known(target: object, names: list[str]) -> None:
    assert [code.co_name for code in codes_of(target)] == names
