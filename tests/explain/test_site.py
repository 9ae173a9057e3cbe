"""The site: which frame is named, and the source text of the call in it."""

import json
import sys
from pathlib import Path
from types import CodeType, FrameType

import pytest

from loopwatch.evidence import Spot
from loopwatch.explain.site import (
    CODE_LENGTH,
    call_text,
    frames,
    is_own,
    is_plumbing,
    site,
    site_of_code,
    site_spot,
)
from loopwatch.records import Frame


def here() -> tuple[Spot, ...]:
    """Return the caller's stack as spots, innermost first, down to this module's last frame."""
    spots: list[Spot] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (not spots or frame.f_globals["__name__"] == __name__):
        module = str(frame.f_globals["__name__"])
        spots.append(Spot(frame.f_code, frame.f_lasti, frame.f_lineno, module))
        frame = frame.f_back
    return tuple(spots)


def spot_in(module: str, file: str, source: str = "def f(): pass", line: int = 1) -> Spot:
    namespace: dict[str, object] = {}
    code = compile(source, file, "exec")
    exec(code, namespace)
    inner = next(c for c in code.co_consts if isinstance(c, CodeType))
    return Spot(inner, 0, line, module)


STDLIB = spot_in("json.decoder", json.__file__)
INSTALLED = spot_in("httpx._client", "/x/lib/python3.12/site-packages/httpx/_client.py")
FRAMEWORK = spot_in("starlette.routing", "/x/lib/python3.12/site-packages/starlette/routing.py")
SERVER = spot_in("uvicorn.protocols", "/x/dist-packages/uvicorn/protocols.py")
FROZEN = spot_in("importlib._bootstrap", "<frozen importlib._bootstrap>")
OURS = spot_in("loopwatch.middleware", str(Path(sys.modules["loopwatch"].__file__ or "")))
OWN = spot_in("shop.prices", "/app/shop/prices.py", line=12)
OUTER = spot_in("shop.main", "/app/shop/main.py", line=3)


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


def test_what_is_own_and_what_is_plumbing() -> None:
    assert [is_own(s) for s in (OWN, STDLIB, INSTALLED, FROZEN, OURS)] == [True] + [False] * 4
    plumbing = [is_plumbing(s) for s in (SERVER, FRAMEWORK, INSTALLED, OWN)]
    assert plumbing == [True, True, False, False]


def test_a_comprehension_is_the_function_it_stands_in() -> None:
    def function() -> list[tuple[Spot, ...]]:
        return list(here() for _ in range(1))  # noqa: C400

    (spots,) = function()
    assert spots[0].code.co_name == "<genexpr>"
    named = site_spot(spots)
    assert named is not None
    assert named.code is function.__code__


def the_call(*parts: object) -> Spot:
    return here()[1]


def test_the_text_is_the_call_s_alone() -> None:
    """PEP 657: of several calls on one line, the one that runs."""
    number = 3
    spots = [len([1]), the_call("a", number), len([2])]
    spot = spots[1]
    assert isinstance(spot, Spot)
    assert call_text(spot) == 'the_call("a", number)'


def test_a_call_of_many_lines_is_put_on_one() -> None:
    # fmt: off
    spot = the_call(
        "one",
        "two",
    )
    # fmt: on
    assert call_text(spot) == 'the_call( "one", "two", )'


def test_characters_are_not_bytes() -> None:
    spot = "ä€𝄞" and the_call("ä€𝄞", 1)
    assert isinstance(spot, Spot)
    assert call_text(spot) == 'the_call("ä€𝄞", 1)'


def test_long_texts_are_cut() -> None:
    # fmt: off
    spot = the_call("0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "012345678",
                    "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "012345678",
                    "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "012345678")
    # fmt: on
    assert len(call_text(spot)) == CODE_LENGTH


def test_without_source_there_is_no_text() -> None:
    spot = spot_in("gone", "/nowhere/gone.py")
    assert call_text(spot) == ""
    assert site(spot).function == "gone.f"
    assert site(spot).line == 1


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
