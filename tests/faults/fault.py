"""A fault: what is done, how often, and what must be right afterwards."""

from collections.abc import Callable
from dataclasses import dataclass

Act = Callable[[str, int], str]


@dataclass(frozen=True)
class Fault:
    """`act(loop, size)` does it, asserts what is right, and returns its figures in words."""

    what: str  # with `{}` for the size
    act: Act
    full: int
    small: int  # in the tests

    @property
    def name(self) -> str:
        return self.act.__name__
