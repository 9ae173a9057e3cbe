"""The documents of a checkout."""

from pathlib import Path

CHECKOUT = Path(__file__).parent.parent


FOLDERS = (".github", "deploy", "docs", "examples", "loopwatch")


def documents() -> list[Path]:
    found = [*CHECKOUT.glob("*.md")]
    for folder in FOLDERS:
        found += (CHECKOUT / folder).rglob("*.md")
    return found
