"""The documents of a checkout."""

from pathlib import Path

from tests.conftest import CHECKOUT

FOLDERS = (".github", "deploy", "docs", "examples", "loopwatch")


def documents() -> list[Path]:
    found = [*CHECKOUT.glob("*.md")]
    for folder in FOLDERS:
        found += (CHECKOUT / folder).rglob("*.md")
    return found
