"""Names of what an app calls."""

from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import Any

import pytest

from loopwatch.core.names import callable_name


class Called:
    def __call__(self) -> None:
        """Stands for an app's own callable."""

    def method(self) -> None:
        """Stands for an app's own method."""

    @classmethod
    def of_class(cls) -> None:
        """Stands for an app's own method."""


def function() -> None:
    """Stands for an app's own function."""


NAMES: list[tuple[Callable[..., Any], str]] = [
    (function, f"{__name__}.function"),
    (Called().method, f"{__name__}.Called.method"),
    (Called.of_class, f"{__name__}.Called.of_class"),
    (Called(), f"{__name__}.Called"),
    (Called, f"{__name__}.Called"),
    (partial(partial(function)), f"{__name__}.function"),
    (MethodType(function, 1), f"{__name__}.function"),
    (MethodType(partial(function), 1), f"{__name__}.function"),  # of a class, from 3.14 on
    (MethodType(Called(), 1), f"{__name__}.Called"),
    (partial(Called().method), f"{__name__}.Called.method"),
    (len, "builtins.len"),
]


@pytest.mark.parametrize(("called", "name"), NAMES, ids=range(len(NAMES)))
def test_the_name_is_that_of_the_code_behind_it(called: Callable[..., Any], name: str) -> None:
    assert callable_name(called) == name
