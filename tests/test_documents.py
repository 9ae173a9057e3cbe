"""What the documents of the checkout say is there is: links, files, rooms, bounds, pictures."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from docs import floors
from tests.conftest import CHECKOUT
from tests.rooms import FLOORS
from tests.written import documents

PACKAGE = CHECKOUT / "loopwatch"
ARCHITECTURE, CONTRIBUTING = CHECKOUT / "ARCHITECTURE.md", CHECKOUT / "CONTRIBUTING.md"
LINK = re.compile(r"\]\(([^()\s]+)\)")
QUOTED = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"(?:[\w.-]+/)+([\w-]+\.(?:py|pyi|c|h|js|md|yml))?|[\w.-]+\.(?:py|md|toml)")


def prose(path: Path) -> str:
    """Return the text without what is set as code."""
    text = re.sub(r"^ *```.*?^ *```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*\]\([^`\n]*`", "", text)


def anchors(path: Path) -> set[str]:
    """Return the names by which GitHub links to headings."""
    heads = re.findall(r"^#+ (.+)$", prose(path), flags=re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head).strip().lower() for head in heads]
    return {re.sub(r"[^\w\- ]", "", head).replace(" ", "-") for head in plain}


def section(path: Path, heading: str) -> str:
    return path.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> Iterator[list[str]]:
    """Return the cells of the tables in a text, without their heads."""
    tables = re.findall(r"(?:^\|.*\n?)+", text, flags=re.MULTILINE)
    for line in (line for table in tables for line in table.splitlines()[2:]):
        yield [cell.strip() for cell in line.strip("|").split("|")]


def files(text: str) -> list[str]:
    """Return what is quoted in a text and looks like a file, or like a folder: `loop/`."""
    return [name for name in QUOTED.findall(text) if FILE.fullmatch(name)]


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


def test_files_that_contributing_names_exist() -> None:
    named = files(CONTRIBUTING.read_text("utf-8"))
    assert [name for name in named if not (CHECKOUT / name).exists()] == []
    assert len(named) > 100


def test_where_is_what_answers_every_question_with_a_file() -> None:
    table = [*rows(section(CONTRIBUTING, "Where is what"))]
    assert [question for question, answer in table if not files(answer)] == []
    assert all(question.endswith("?") for question, _ in table)
    assert len(table) >= 20


def test_the_examples_of_style_are_real_code() -> None:
    shown = re.findall(r"```python\n(.*?)```", section(CONTRIBUTING, "Style"), flags=re.DOTALL)
    code = [path.read_text("utf-8") for path in PACKAGE.rglob("*.py")]
    assert shown
    assert all(any(example in text for text in code) for example in shown)


def test_files_that_the_architecture_names_exist() -> None:
    """Paths are relative to the package, but for what lies beside it."""
    named = files(ARCHITECTURE.read_text("utf-8"))
    missing = [n for n in named if not (PACKAGE / n).exists() and not (CHECKOUT / n).exists()]
    assert missing == []
    assert len(named) > 100


def test_the_architecture_names_every_room() -> None:
    rooms = {path.parent for path in PACKAGE.rglob("__init__.py")} - {PACKAGE, PACKAGE / "tools"}
    rooms.add(PACKAGE / "native")
    named = [room for room, *_ in rows(section(ARCHITECTURE, "Floors and rooms"))]
    assert sorted(named) == sorted(f"`{room.relative_to(PACKAGE).as_posix()}/`" for room in rooms)


def test_the_ways_pass_every_room_below_the_tools() -> None:
    """A room that no way passes is a way that is not described."""
    ways = ("of a request", "of a step", "of a stall", "of a scrape", "of a prediction")
    named = {name for way in ways for name in files(section(ARCHITECTURE, f"The way {way}"))}
    passed = {name.partition("/")[0] for name in named}
    assert {room for rooms in FLOORS[1:8] for room in rooms} - passed == set()


def test_bounds_are_those_of_the_code() -> None:
    wrong, table = [], [*rows(section(ARCHITECTURE, "Bounds"))]
    for file, constant, value, _ in table:
        name, text = constant.strip("`"), (PACKAGE / file.strip("`")).read_text("utf-8")
        line = rf"^(?:#define |const .*)?{name}(?: =)? {re.escape(value)}(?=[\s,;]|$)"
        if re.search(line, text, flags=re.MULTILINE) is None:
            wrong.append(f"{file} {name} {value}")
    assert wrong == []
    assert len(table) > 100


def test_the_picture_of_the_floors_is_that_of_the_imports() -> None:
    drawn = floors.TARGET.read_text("utf-8")
    assert drawn == floors.picture(), "run `python -m docs.floors`, and commit"
