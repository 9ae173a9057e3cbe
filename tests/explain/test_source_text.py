"""The source text of what a frame was running: of a call its own, of a block only its head."""

import pytest

from loopwatch.core.evidence import Spot
from loopwatch.explain.site import site
from loopwatch.explain.source_text import CODE_LENGTH, call_text, header
from tests.explain.made_spots import here, spot_in


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("async with pool: await db.query(sql)", "async with pool"),
        ("async with pool:", "async with pool"),
        (
            "async with pool.acquire(timeout=1) as c: rows = f(c)",
            "async with pool.acquire(timeout=1) as c",
        ),
        ("async with pools[a:b][0], other['x:y']: go()", "async with pools[a:b][0], other['x:y']"),
        ("async for row in rows(sql): use(row)", "async for row in rows(sql)"),
        ("await pool.acquire()", "await pool.acquire()"),
        ("with LOCK:", "with LOCK:"),  # a call that blocks is the whole line
        ("async with pool", "async with pool"),
        ('async with pool["', 'async with pool["'),
    ],
)
def test_body_of_a_block_is_left_out(text: str, told: str) -> None:
    assert header(text) == told


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


def test_comments_are_no_part_of_the_text() -> None:
    # fmt: off
    spot = the_call(  # slow
        "one",  # two
        "#3",
    )  # and over
    # fmt: on
    assert call_text(spot) == 'the_call( "one", "#3", )'


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
