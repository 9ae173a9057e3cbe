"""The command line."""

import argparse
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

SHORTEST, LONGEST = 5.0, 86_400.0  # s


class ArgumentsError(ValueError):
    """An argument is invalid. The message says what must hold, what came, what to do."""


@dataclass(frozen=True, slots=True)
class Arguments:
    loop: Literal["asyncio", "uvloop"]
    port: int
    seconds: float | None  # None: until Ctrl-C


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ArgumentsError(f"{message}: see --help")


def parse(texts: Sequence[str]) -> Arguments:
    """Read the command line.

    Raises:
        ArgumentsError: an argument is invalid.
    """
    parser = Parser(prog="python -m examples.demo", description=__doc__, allow_abbrev=False)
    parser.description = "Serve the loopwatch demo, load it for a short time, name the culprits."
    parser.add_argument("--seconds", metavar="N", help="end after N seconds (default: at Ctrl-C)")
    parser.add_argument("--loop", default="asyncio", help="asyncio (default) or uvloop")
    parser.add_argument("--port", default="8000", metavar="N", help="default: 8000")
    given = parser.parse_args(texts)
    return Arguments(checked_loop(given.loop), checked_port(given.port), checked(given.seconds))


def checked_loop(text: str) -> Literal["asyncio", "uvloop"]:
    if text == "asyncio":
        return "asyncio"
    if text != "uvloop":
        raise ArgumentsError(f"--loop must be asyncio or uvloop, got {text!r}: choose one")
    if importlib.util.find_spec("uvloop") is None:
        raise ArgumentsError("--loop uvloop needs uvloop, got none: pip install uvloop")
    return "uvloop"


def checked_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65_535):
        raise ArgumentsError(
            f"--port must be a whole number from 1 to 65535, got {text!r}: name a free port"
        )
    return int(text)


def checked(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not SHORTEST <= seconds <= LONGEST:
        raise ArgumentsError(
            f"--seconds must be a number from {SHORTEST:g} to {LONGEST:g}, got {text!r}: "
            "give such a number, or leave it out to serve until Ctrl-C"
        )
    return seconds
