"""Text of others: ordinary text stays as it is, all else is shown and never obeyed."""

import sys
import unicodedata

import pytest

from loopwatch.core.safe_text import KEPT, LONGEST, encodable, label, safe

ORDINARY = ("app.routes.<locals>.load", "/users/{id}", "größe 大きさ 🚀", "a\\b c", "nbsp\xa0", "")


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert safe(text) == label(text) == encodable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("x\r\nERROR forged", r"x\x0d\x0aERROR forged"),
        ("a\x00b\x7f", r"a\x00b\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("abc\u202egnp.exe", r"abc\u202egnp.exe"),
        ("a\u200bb\ufeff\u2066", r"a\u200bb\ufeff\u2066"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("a\udce9b", r"a\udce9b"),
        ("a\U000e0041", r"a\U000e0041"),
    ],
)
def test_what_hides_or_moves_is_shown_escaped(text: str, shown: str) -> None:
    assert safe(text) == label(text) == shown
    assert safe(shown) == shown


def test_no_character_of_these_kinds_is_left_out() -> None:
    """Controls, format characters, surrogates, separators of lines and paragraphs."""
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    visible = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2")
    visible |= {"\U000110bd", "\U000110cd", *map(chr, range(0x13430, 0x13440))}  # take up room
    every = {chr(code) for code in range(sys.maxunicode + 1)}
    hidden = {c for c in every if unicodedata.category(c) in kinds} - visible
    assert {c for c in hidden if safe(c) == c} == set()


def test_a_label_has_a_greatest_length() -> None:
    assert label("x" * LONGEST) == "x" * LONGEST
    assert label("x" * 100_000) == "x" * (LONGEST - 1) + "…"
    assert len(label("\u202e" * LONGEST)) == LONGEST


def test_what_is_kept_can_be_encoded() -> None:
    assert encodable("a\udce9\n\x1b") == "a\\udce9\n\x1b"
    assert encodable("x" * 100_000) == "x" * KEPT
    for text in ("\ud800", "\udfff" * 3, "é\ud83d"):
        encodable(text).encode()
