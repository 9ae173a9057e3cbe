"""Types of a benchmark's arguments, with error messages."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def parser_of(description: str) -> argparse.ArgumentParser:
    """Return a parser that prints the description unchanged."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_choice(
    parser: argparse.ArgumentParser, name: str, choices: list[str], default: list[str]
) -> None:
    shown = f"of {', '.join(choices)}; default: {_default_text(choices, default)}"
    parser.add_argument(
        name, nargs="+", choices=choices, default=default, metavar=name[2:-1].upper(), help=shown
    )


def _default_text(choices: list[str], default: list[str]) -> str:
    if len(default) < len(choices) - 1:
        return ", ".join(default)
    return "all" if default == choices else "all others"


def whole(least: int, most: int, example: int) -> Callable[[str], int]:
    """Return a type of argument: a whole number within these bounds."""

    def take(text: str) -> int:
        if text.isdecimal() and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(
            f"must be a whole number from {least} to {most}, got {text!r}: "
            f"give for example {example}"
        )

    return take


def number(least: float, most: float, example: float) -> Callable[[str], float]:
    """Return a type of argument: a number within these bounds."""

    def take(text: str) -> float:
        try:
            if least <= float(text) <= most:
                return float(text)
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(
            f"must be a number from {least:g} to {most:g}, got {text!r}: "
            f"give for example {example:g}"
        )

    return take


def new_file(text: str) -> Path:
    path = Path(text)
    if path.parent.is_dir() and not path.is_dir():
        return path
    raise argparse.ArgumentTypeError(
        f"must be a file in a folder that exists, got {text!r}: make the folder or name another"
    )
