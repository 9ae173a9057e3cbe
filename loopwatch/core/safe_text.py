"""Text of others, made safe: nothing in it is hidden, moves the cursor, or cannot be encoded.

Names, files, routes, labels, variables and URLs come from code and requests that may be hostile, or
only odd. Labels and names are made safe where they enter, by `label`; whatever else is kept, by
`encodable`; and all that is shown, by `safe`. Each of them returns ordinary text as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST = 200  # characters of a label
KEPT = 4096  # characters of other text, such as a file's path
CUT = "…"

UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # controls: ANSI escapes begin with one of them
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # invisible
    "\u061c\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # of no width, bidi marks, lines
    "\ud800-\udfff"  # lone surrogates
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # invisible
    "]"
)
SURROGATE = re.compile("[\ud800-\udfff]")


def safe(text: str) -> str:
    """Return text with control characters, bidi marks and the like as escapes: `\\x1b`, `\\u202e`.

    Done twice it changes nothing more: a backslash stays one.
    """
    if text.isascii() and text.isprintable():
        return text
    return UNSAFE.sub(_escape, text)


def label(text: str) -> str:
    """Return a label or a name as it is kept and counted: safe, of `LONGEST` characters at most."""
    if len(text) <= LONGEST and text.isascii() and text.isprintable():
        return text
    return _label(text[: LONGEST + 1])


def encodable(text: str) -> str:
    """Return text as it is kept: of `KEPT` characters at most, without lone surrogates, which no
    encoding has."""
    text = text[:KEPT]
    return text if text.isascii() else SURROGATE.sub(_escape, text)


@lru_cache(1024)
def _label(text: str) -> str:
    text = safe(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + CUT


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
