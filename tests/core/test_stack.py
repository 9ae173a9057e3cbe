"""Stacks: equal ones share what follows from them, and nothing of the app is kept alive."""

import gc
import weakref
from types import CodeType

from loopwatch.core import stack as stacks
from loopwatch.core.evidence import Spot
from loopwatch.core.stack import FINDINGS, STACKS, Spots, Stack, of_stack

ASKED: list[tuple[object, ...]] = []


@of_stack
def functions(spots: Spots, mark: str) -> str:
    ASKED.append((spots, mark))
    return mark + " ".join(spot.code.co_name for spot in spots)


def code(name: str = "buy") -> CodeType:
    return compile("x = 1", "/app/shop.py", "exec").replace(co_name=name)


def asked(spots: Spots, mark: str = "") -> int:
    """Return how often a stack was worked out, if asked for once."""
    ASKED.clear()
    functions(spots, mark)
    return len(ASKED)


def test_equal_stacks_are_worked_out_once() -> None:
    spots = Spot(code("buy"), 2, 1, "shop"), Spot(code("sell"), 4, 2, "shop")
    assert functions(Stack(spots), "") == "buy sell"
    assert asked(Stack(spots)) == 0
    assert functions(Stack(spots), "") == "buy sell"
    assert functions(Stack(spots), "a ") == "a buy sell"
    assert [asked(Stack(spots), mark) for mark in ("a ", "b ", "a ")] == [0, 1, 0]


def test_stacks_that_differ_anywhere_are_others() -> None:
    spot = Spot(code(), 2, 1, "shop")
    functions(Stack([spot]), "")
    others = (
        spot._replace(instruction=4),
        spot._replace(line=2),
        spot._replace(module="other"),
        spot._replace(code=code()),
    )
    for other in others:
        assert asked(Stack([other])) == 1
    assert asked(Stack([spot, spot])) == 1
    assert asked(Stack([spot])) == 0


def test_the_empty_stack_is_one_too() -> None:
    assert functions(Stack(), "") == ""
    assert asked(Stack()) == 0


def test_any_other_tuple_of_frames_is_worked_out_each_time() -> None:
    spots = (Spot(code(), 2, 1, "shop"),)
    assert [asked(spots), asked(spots)] == [1, 1]


def test_a_stack_is_a_tuple_like_any_other() -> None:
    spots = (Spot(code(), 2, 1, "shop"),)
    assert Stack(spots) == spots
    assert {Stack(spots): 1}[spots] == 1


def test_the_app_s_code_is_not_kept_alive_and_its_address_proves_nothing() -> None:
    gone = code("gone")
    address, alive = id(gone), weakref.ref(gone)
    functions(Stack([Spot(gone, 2, 1, "shop")]), "")
    ASKED.clear()
    del gone
    gc.collect()
    assert alive() is None
    for n in range(200):  # one of them gets the address
        other = code(f"other{n}")
        found = id(other) == address
        assert functions(Stack([Spot(other, 2, 1, "shop")]), "") == f"other{n}"
        ASKED.clear()
        if found:
            return


def test_only_so_much_is_remembered() -> None:
    spot = Spot(code(), 2, 1, "shop")
    for line in range(2 * STACKS):
        functions(Stack([spot._replace(line=line)]), "")
    assert len(stacks.KNOWN) <= STACKS
    for n in range(2 * FINDINGS):
        assert functions(Stack([spot]), f"{n} ") == f"{n} buy"
    assert len(Stack([spot]).findings) == FINDINGS
