"""The house: imports point down by floor, rooms of one floor know only whom they must, no cycles.

A room is a module or a package directly under `loopwatch/`. Every import counts, wherever in a
file it stands: an import inside a function is still an import.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import loopwatch
from loopwatch.exporters.metrics import METRICS

PACKAGE = Path(__file__).resolve().parents[1] / "loopwatch"
FLOORS = (
    ("speedups", "_speedups"),
    (
        *("records", "plain", "histogram", "exemplars", "recent", "tails"),
        *("request", "holds", "evidence"),
        *("names", "guard", "options", "fork", "answering", "version"),
    ),
    ("probe", "ledger", "explain"),
    (
        *("watched", "server_timing", "accounts", "delivery", "reporter", "snapshots", "watch"),
        "exporters",
        "diagnose",
    ),
    ("timed", "middleware", "page", "metrics", "grafana", "cli"),
    ("__init__", "__main__"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
NEIGHBOURS = {  # who may import whom on the same floor
    ("records", "recent"),
    ("records", "histogram"),
    ("records", "plain"),
    ("answering", "fork"),
    ("histogram", "exemplars"),
    ("histogram", "plain"),
    ("tails", "recent"),
    ("holds", "recent"),
    ("holds", "records"),
    ("holds", "request"),
    ("evidence", "holds"),
    ("evidence", "request"),
    ("speedups", "_speedups"),
    ("reporter", "accounts"),
    ("reporter", "delivery"),
    ("reporter", "watched"),
    ("snapshots", "watched"),
    ("watch", "snapshots"),
    ("watched", "server_timing"),
    ("watch", "exporters"),
    ("watch", "reporter"),
    ("watch", "watched"),
    ("cli", "grafana"),
    ("cli", "middleware"),
    ("cli", "page"),
    ("cli", "metrics"),
}
THIRD_PARTIES = ("prometheus_client", "opentelemetry")
OWNERS = {  # the one module that may import an extra
    "cli.serving": "uvicorn",
    "cli.terminal": "rich",
    "diagnose.client": "aiohttp",
    "diagnose.html": "jinja2",
    "diagnose.plots": "matplotlib",
    "diagnose.reading": "pydantic",
}
API_ONLY = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.instrumentation")
NAMELESS = {"utils", "util", "common", "helpers", "helper", "misc"}
LONGEST = 300  # lines


def modules(package: Path) -> dict[str, Path]:
    """Return the files of a package by dotted name; a package is named as its folder."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[tuple[int, str]]:
    """Return the line and the dotted name of everything a module imports, modules where known."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            source = ".".join([*up, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                yield node.lineno, whole if whole in known else source


def room(name: str, package: str) -> str:
    """Return the room a module is in; the package itself is the room `__init__`."""
    return name.removeprefix(package).strip(".").partition(".")[0] or "__init__"


def inner_imports(package: Path) -> Iterator[tuple[str, int, str]]:
    """Return who imports what of the same package, and on which line."""
    known = modules(package)
    for name, path in known.items():
        for line, target in imports(name, path, known):
            if target.partition(".")[0] == package.name:
                yield name, line, target


def wrong_imports(package: Path) -> list[str]:
    """Return every import that the house does not allow, one sentence each."""
    found = []
    for name, line, target in inner_imports(package):
        here, there = room(name, package.name), room(target, package.name)
        why = None
        if target == package.name:
            why = "nothing inside imports the package root"
        elif here == there:
            continue
        elif here not in FLOOR or there not in FLOOR:
            why = "both rooms need a floor in FLOORS"
        elif FLOOR[there] > FLOOR[here]:
            why = "imports point down"
        elif FLOOR[there] == FLOOR[here] and (here, there) not in NEIGHBOURS:
            why = "rooms of one floor do not know each other"
        if why is not None:
            found.append(f"{name}, line {line}, imports {target}: {why}")
    return found


def cycle(package: Path) -> list[str]:
    """Return one circle of modules that import each other; empty if there is none."""
    sorter = TopologicalSorter[str]()
    for name, _, target in inner_imports(package):
        if target != name:
            sorter.add(name, target)
    try:
        sorter.prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def foreign_imports(package: Path) -> list[str]:
    """Return every import that is neither ours, nor Python's, nor of a dependency allowed here."""
    known, found = modules(package), []
    for name, path in known.items():
        for line, target in imports(name, path, known):
            top = target.partition(".")[0]
            own = OWNERS.get(name.partition(".")[2])
            allowed = {package.name, own, *THIRD_PARTIES} | sys.stdlib_module_names
            if top not in allowed or target.startswith(API_ONLY):
                found.append(f"{name}, line {line}, imports {target}")
    return found


def plant(folder: Path, sources: dict[str, str]) -> Path:
    """Return a package `house` of the given modules, such as `probe/base`."""
    package = folder / "house"
    for name, source in sources.items():
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    for inside in (package, *(path for path in package.iterdir() if path.is_dir())):
        (inside / "__init__.py").touch()
    return package


def test_every_room_has_a_floor() -> None:
    """A new room needs a decision: where it stands, and whom it may know."""
    rooms = {room(name, PACKAGE.name) for name in modules(PACKAGE)}
    assert rooms - FLOOR.keys() == set()


def test_imports_point_down() -> None:
    assert wrong_imports(PACKAGE) == []


def test_no_cycles() -> None:
    assert cycle(PACKAGE) == []


def test_core_imports_two_third_parties() -> None:
    """`prometheus_client` and OpenTelemetry's API; an extra is imported by one module alone."""
    assert foreign_imports(PACKAGE) == []


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ({"records": "from house.watch import Watch"}, "records, line 1, imports house.watch"),
        ({"records": "import house.watch"}, "imports point down"),
        ({"records": "def f():\n    from .watch import Watch"}, "line 2, imports house.watch"),
        ({"probe/base": "from ..watch import Watch"}, "probe.base, line 1, imports house.watch"),
        ({"probe/base": "from house.ledger.steps import x"}, "do not know each other"),
        ({"probe/base": "from house import ledger"}, "do not know each other"),
        ({"watched": "from house.watch import find"}, "do not know each other"),
        ({"cli/top": "from house import Watch"}, "the package root"),
        ({"cli/top": "import house"}, "the package root"),
        ({"attic/box": "import house.records"}, "need a floor"),
    ],
)
def test_checker_catches_a_planted_import(
    tmp_path: Path, sources: dict[str, str], words: str
) -> None:
    rooms = {"watch": "", "records": "", "ledger/steps": ""}
    wrong = wrong_imports(plant(tmp_path, rooms | sources))
    assert len(wrong) == 1
    assert words in wrong[0]


def test_checker_lets_downward_imports_pass(tmp_path: Path) -> None:
    sources = {
        "records": "import dataclasses",
        "probe/base": "from house import records\nfrom .pulse import x",
        "probe/pulse": "from ..records import x",
        "watched": "from .probe import base",
        "watch": "from .watched import x\nimport house.probe.base",
        "__main__": "from house.watch import x",
    }
    package = plant(tmp_path, sources)
    assert wrong_imports(package) == []
    assert cycle(package) == []
    assert foreign_imports(package) == []


@pytest.mark.parametrize(
    "sources",
    [
        {"probe/a": "from house.probe.b import x", "probe/b": "from house.probe.a import y"},
        {"probe/a": "from . import b", "probe/b": "from . import c", "probe/c": "from .a import y"},
        {"records": "from house import guard", "guard": "def f():\n    import house.records"},
    ],
)
def test_checker_catches_a_planted_cycle(tmp_path: Path, sources: dict[str, str]) -> None:
    circle = cycle(plant(tmp_path, sources))
    assert circle[0] == circle[-1]
    assert len(circle) == len(sources) + 1


@pytest.mark.parametrize(
    "source",
    ["import requests", "import uvicorn", "def f():\n    from opentelemetry.sdk import trace"],
)
def test_checker_catches_a_planted_dependency(tmp_path: Path, source: str) -> None:
    assert len(foreign_imports(plant(tmp_path, {"records": source}))) == 1


def test_no_long_files() -> None:
    """One noun per file; a file that grows beyond this holds two."""
    lengths = {
        str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*")
        if path.suffix in (".py", ".js", ".css", ".html")
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_every_module_is_named_for_what_it_holds() -> None:
    parts = {part for name in modules(PACKAGE) for part in name.split(".")}
    assert parts & NAMELESS == set()


def test_front_door_agrees_with_what_is_there() -> None:
    """`__all__` is sorted, whole, and everything in it exists; the root has no logic of its own."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(loopwatch.__all__) == imported
    assert loopwatch.__all__ == sorted(loopwatch.__all__)
    assert all(hasattr(loopwatch, name) for name in loopwatch.__all__)
    assert [type(node) for node in tree.body if not isinstance(node, ast.ImportFrom)] == [
        ast.Expr,
        ast.Assign,
    ]


def readme_table(heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading of the README, without their marks."""
    text = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in row.split("|")[1:-1]] for row in rows[2:]]


def test_readme_tells_every_metric() -> None:
    told = {name: (kind, labels) for name, kind, labels, _ in readme_table("Metrics")}
    assert told == {m.prometheus_name: (m.kind, ", ".join(m.labels)) for m in METRICS}


def test_readme_tells_every_option() -> None:
    """Each with its default, and the variable that sets it where there is one."""
    options = inspect.signature(loopwatch.Watch).parameters
    table = readme_table("Options")
    assert {row[0] for row in table} == set(options)
    for keyword, variable, default, _ in table:
        if variable:
            assert variable == f"LOOPWATCH_{keyword.upper()}"
            assert default == str(options[keyword].default)
            loopwatch.Watch.from_env({variable: default})
