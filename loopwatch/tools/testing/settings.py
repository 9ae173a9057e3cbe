"""What the command line, the ini file and the marks of a test say, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwatch.core import options

LIMIT = 0.1  # s, as `Watch` has it
OFF, ON = ("off", "false", "no"), ("on", "true", "yes")
HINT = "give seconds, such as 0.1, or off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for the whole run."""

    seconds: float | None = None  # the limit for every asynchronous test; None: only if marked
    allow: tuple[str, ...] = ()
    baseline: Path | None = None
    update_baseline: bool = False
    sarif: Path | None = None
    json: Path | None = None
    github: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSettings:
    """What holds for one test."""

    __test__ = False  # pytest must not collect it

    limit: float
    allow: tuple[str, ...]
    judged: bool  # False: it is watched for its fixture alone, and never fails


def limit(name: str, text: str) -> float | None:
    """Return seconds, None for off; raises ValueError for anything else."""
    word = text.strip().lower()
    if word in OFF:
        return None
    try:
        return LIMIT if word in ON else options.seconds(name, float(word))
    except ValueError:
        wrong = f"{name} must be a number of seconds above 0, got {text!r}; {HINT}"
        raise ValueError(wrong) from None


def of_test(run: Settings, marks: Iterable[Any], is_async: bool, asks: bool) -> TestSettings | None:
    """Return what holds for a test, None if it is not watched.

    `marks` are its own mark first, then those of its class and module; `asks` says that it uses the
    fixture. Raises TypeError or ValueError for a mark that says what cannot be.
    """
    given = [read_mark(mark.args, mark.kwargs) for mark in marks]
    wanted = given[0].get("on", True) if given else run.seconds is not None and is_async
    if not wanted and not asks:
        return None
    limits = [g["slow_callback_duration"] for g in given if "slow_callback_duration" in g]
    allowed = [pattern for g in given for pattern in g.get("allow", ())]
    return TestSettings(
        limit=limits[0] if limits else run.seconds or LIMIT,
        allow=(*run.allow, *allowed),
        judged=wanted,
    )


def read_mark(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what one mark says; raises TypeError or ValueError if that cannot be."""
    found: dict[str, Any] = {}
    if len(args) > 1 or (args and "slow_callback_duration" in kwargs):
        raise TypeError(
            "@pytest.mark.loopwatch must have one positional argument at most, False or seconds, "
            f"got {args!r}: name the others"
        )
    if args and isinstance(args[0], bool):
        found["on"] = args[0]
    elif args:
        found["slow_callback_duration"] = options.seconds("slow_callback_duration", args[0])
    for name, value in kwargs.items():
        if name == "slow_callback_duration":
            found[name] = options.seconds(name, value)
        elif name == "allow":
            found[name] = options.site_patterns(name, value)
        else:
            raise TypeError(
                "@pytest.mark.loopwatch must have slow_callback_duration and allow, "
                f"got {name}={value!r}: leave it out"
            )
    return found
