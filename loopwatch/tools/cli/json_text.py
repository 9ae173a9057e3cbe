"""JSON from elsewhere, as plain data that nothing here can trip over."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from loopwatch.core.safe_text import encodable

DEEPEST = 32  # lists and objects within each other
LARGEST = 1e15  # of a number: more than any count, duration or moment
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # most come in pairs, which are characters


def parsed(text: str | bytes) -> Any:
    """Return what JSON says; lone surrogates in it become escapes.

    Raises:
        ValueError: it is no JSON, is too deep, or has a number that is none or too large.
    """
    whole = text.decode("utf-8") if isinstance(text, bytes) else text
    try:
        found = json.loads(
            whole, parse_constant=refused, parse_int=whole_number, parse_float=number
        )
    except RecursionError:
        raise too_deep() from None
    check_depth(found)
    return without_surrogates(found) if SURROGATE.search(whole) else found


def refused(text: str) -> Any:
    raise ValueError(f"numbers must be finite, got {text}")


def whole_number(text: str) -> int:
    if len(text) > 16:
        raise ValueError(f"numbers must be below {LARGEST:g}, got {text[:16]}...")
    return int(text)


def number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise ValueError(f"numbers must be below {LARGEST:g}, got {text[:16]}")
    return value


def too_deep() -> ValueError:
    return ValueError(f"lists and objects must be at most {DEEPEST} deep")


def check_depth(data: Any) -> None:
    """Raise ValueError for what is deeper than `DEEPEST`."""
    level = [data]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in within(outer)]
        if not level:
            return
    raise too_deep()


def within(data: Any) -> list[Any]:
    """Return the lists and objects directly within one."""
    if type(data) is dict:
        data = data.values()
    elif type(data) is not list:
        return []
    return [inner for inner in data if type(inner) in (dict, list)]


def without_surrogates(data: Any) -> Any:
    """Return the same data, of which every text can be encoded; it is not deep."""
    if isinstance(data, str):
        return whole_text(data)
    if isinstance(data, list):
        return [without_surrogates(inner) for inner in data]
    if isinstance(data, dict):
        return {whole_text(key): without_surrogates(inner) for key, inner in data.items()}
    return data


def whole_text(text: str) -> str:
    return text if text.isascii() else encodable(text)
