"""Files: none is long; those of the package are named for what they hold, and none twice."""

import ast
from collections import Counter

from tests.rooms import PACKAGE, modules

NAMELESS = {"utils", "util", "common", "helpers", "helper", "misc"}
LONGEST = 300  # lines
CODE = (".py", ".js", ".css", ".html")
BESIDE = ("tests", "examples", "benchmarks", "deploy")  # beside the package: held to the same


def test_no_long_files() -> None:
    """One noun per file; a file that grows beyond this holds two."""
    checkout = PACKAGE.parent
    folders = (PACKAGE, *(checkout / name for name in BESIDE))
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in CODE]
    lengths = {
        str(path.relative_to(checkout)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (*files, *(checkout / "docs").glob("*.py"))
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_no_file_name_occurs_twice() -> None:
    names = Counter(path.name for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    assert [name for name, times in names.items() if times > 1] == []


def test_every_room_says_in_one_sentence_what_it_is_for() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert said.count(".") - said.count("`") < 3, path
        assert said.endswith("."), path


def test_few_modules_are_loose() -> None:
    assert len([*PACKAGE.glob("*.py")]) <= 4


def test_every_module_is_named_for_what_it_holds() -> None:
    parts = {part for name in modules(PACKAGE) for part in name.split(".")}
    assert parts & NAMELESS == set()
