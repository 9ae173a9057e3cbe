"""The site: which frame is named, and how its function is."""

import functools
from collections.abc import Callable

import pytest

from loopwatch.core.evidence import Spot
from loopwatch.core.record_types import Frame
from loopwatch.explain.site import frames, site, site_of_code, site_spot
from tests.explain.made_spots import (
    FRAMEWORK,
    FROZEN,
    INSTALLED,
    OURS,
    OUTER,
    OWN,
    SERVER,
    STDLIB,
    here,
    spot_in,
)


@pytest.mark.parametrize(
    ("spots", "named"),
    [
        ((STDLIB, INSTALLED, OWN, FRAMEWORK, OUTER), OWN),
        ((OWN, STDLIB, OUTER), OWN),
        ((FROZEN, STDLIB, OUTER), OUTER),
        ((STDLIB, INSTALLED, FRAMEWORK, SERVER), STDLIB),
        ((FRAMEWORK, INSTALLED, SERVER), INSTALLED),
        ((FRAMEWORK, OURS, SERVER), None),
        ((), None),
    ],
)
def test_the_innermost_frame_of_the_user_s_own_code_is_named(
    spots: tuple[Spot, ...], named: Spot | None
) -> None:
    """Failing that, the innermost that is not plumbing."""
    assert site_spot(spots) is named


ROUTER = spot_in("starlette.routing", FRAMEWORK.code.co_filename, "async def app(): pass")


@pytest.mark.parametrize(
    ("spots", "named"),
    [
        ((STDLIB, OWN, ROUTER, OUTER), OWN),
        ((STDLIB, FRAMEWORK, OWN, ROUTER, OUTER), OWN),
        ((OWN, FRAMEWORK, ROUTER, ROUTER, OUTER), OWN),
        ((OUTER, SERVER), OUTER),
        ((STDLIB, INSTALLED, ROUTER, OUTER), None),
        ((ROUTER, OUTER), None),
    ],
)
def test_a_middleware_outside_the_router_is_innocent(
    spots: tuple[Spot, ...], named: Spot | None
) -> None:
    """It awaits the app; what no own code below the router did is the endpoint's."""
    assert site_spot(spots) is named


class Shelf:
    spots = next(here() for _ in range(1))


ON_MODULE = next([here() for _ in range(1)] for _ in range(1))[0]


def test_a_comprehension_is_the_function_it_stands_in_at_its_own_line() -> None:
    def function() -> list[tuple[Spot, ...]]:
        return [
            *(here() for _ in range(1)),
            *next(iter([[here() for _ in range(1)] for _ in range(1)])),
            *{name: here() for name in "x"}.values(),
        ]

    found = [site(site_spot(spots) or OWN) for spots in function()]
    owner = f"{__name__}.{function.__qualname__}"
    first = function.__code__.co_firstlineno
    assert [(s.function, s.line - first) for s in found] == [(owner, 2), (owner, 3), (owner, 4)]
    assert {s.code for s in found} == {"here()"}


def test_comprehensions_outside_functions() -> None:
    assert site(ON_MODULE[0]).function == f"{__name__}.<module>"
    assert site(Shelf.spots[0]).function == f"{__name__}.Shelf"


def test_a_lambda_is_a_function() -> None:
    assert site((lambda: here())()[0]).function.endswith(".<locals>.<lambda>")


def timed(function: Callable[[], tuple[Spot, ...]]) -> Callable[[], tuple[Spot, ...]]:
    @functools.wraps(function)
    def wrapper() -> tuple[Spot, ...]:
        return (function() or here())[:1]

    return wrapper


@timed
def wrapped() -> tuple[Spot, ...]:
    return here()


@timed
def fast() -> tuple[Spot, ...]:
    return ()


def test_a_decorator_is_named_only_for_what_it_does_itself() -> None:
    """A wrapper has its own name, whatever `functools.wraps` makes it say."""
    assert site(wrapped()[0]).function == f"{__name__}.wrapped"
    assert site(fast()[0]).function == f"{__name__}.timed.<locals>.wrapper"


def the_call(*parts: object) -> Spot:
    return here()[1]


def test_a_site_names_module_and_qualified_function() -> None:
    found = site(the_call())
    assert found.function == f"{__name__}.test_a_site_names_module_and_qualified_function"
    assert found.file == __file__
    assert found.code == "the_call()"
    assert found.exact is True


def test_a_function_as_a_site_is_not_exact() -> None:
    code = the_call.__code__
    found = site_of_code(code, __name__)
    assert (found.function, found.line) == (f"{__name__}.the_call", code.co_firstlineno)
    assert (found.code, found.exact) == ("", False)


def test_a_stack_is_outermost_first() -> None:
    assert frames((OWN, OUTER)) == (
        Frame("shop.main.f", "/app/shop/main.py", 3),
        Frame("shop.prices.f", "/app/shop/prices.py", 12),
    )
