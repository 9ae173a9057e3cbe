"""What the Markdown of the checkout links to is there: files, and headings in them."""

import re
from pathlib import Path
from urllib.parse import unquote

CHECKOUT = Path(__file__).parent.parent
FOLDERS = ("deploy", "docs", "examples", "loopwatch")
LINK = re.compile(r"\]\(([^()\s]+)\)")


def documents() -> list[Path]:
    found = [*CHECKOUT.glob("*.md")]
    for folder in FOLDERS:
        found += (CHECKOUT / folder).rglob("*.md")
    return found


def prose(path: Path) -> str:
    """Return the text without what is set as code."""
    text = re.sub(r"^ *```.*?^ *```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*\]\([^`\n]*`", "", text)


def anchors(path: Path) -> set[str]:
    """Return the names by which GitHub links to headings."""
    heads = re.findall(r"^#+ (.+)$", prose(path), flags=re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head).strip().lower() for head in heads]
    return {re.sub(r"[^\w\- ]", "", head).replace(" ", "-") for head in plain}


def test_every_relative_link_leads_somewhere() -> None:
    checked, broken = 0, []
    for path in documents():
        for link in LINK.findall(prose(path)):
            if "://" in link or link.startswith("mailto:"):
                continue
            checked += 1
            file, _, anchor = unquote(link).partition("#")
            there = path.parent / file if file else path
            if not there.exists() or (anchor and anchor not in anchors(there)):
                broken.append(f"{path.relative_to(CHECKOUT)}: {link}")
    assert not broken
    assert checked > 150
