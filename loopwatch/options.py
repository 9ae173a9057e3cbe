"""Checking options, wherever they come from: what must hold, what came, what to do."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

PREFIX = "LOOPWATCH_"
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def seconds(name: str, value: Any) -> float:
    """Return a duration; raises TypeError if it is no number, ValueError if not above 0."""
    hint = f"give {name} in seconds, such as 0.1, or leave it out for the default"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, got {value!r}; {hint}")
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}; {hint}")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """Return a switch; raises TypeError if it is not True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def from_environment(
    known: Mapping[str, type], environment: Mapping[str, str]
) -> dict[str, float | bool]:
    """Return the options set by `LOOPWATCH_<NAME>` variables.

    Raises ValueError for a variable that is no option, or a value that cannot be read.
    """
    names = {PREFIX + name.upper(): name for name in known}
    found: dict[str, float | bool] = {}
    for variable, text in environment.items():
        if variable.startswith(PREFIX):
            if variable not in names:
                raise ValueError(unknown(variable, names))
            name = names[variable]
            found[name] = _bool(variable, text) if known[name] is bool else _float(variable, text)
    return found


def unknown(variable: str, names: Iterable[str]) -> str:
    bare = {name.removeprefix(PREFIX): name for name in names}
    close = difflib.get_close_matches(variable.removeprefix(PREFIX), list(bare), n=1)
    cure = f"did you mean {bare[close[0]]}? " if close else ""
    return f"{variable} is no option of loopwatch; {cure}Known are: {', '.join(sorted(names))}"


def _bool(variable: str, text: str) -> bool:
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise ValueError(f"{variable} must be one of {', '.join(TRUE + FALSE)}, got {text!r}")


def _float(variable: str, text: str) -> float:
    try:
        return seconds(variable, float(text))
    except ValueError:
        raise ValueError(
            f"{variable} must be a finite number of seconds above 0, got {text!r}; "
            f"give it as 0.1, or unset it for the default"
        ) from None
