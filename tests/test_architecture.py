"""The house: imports point down by floor, rooms of one floor do not know each other, no cycles.

A room is a package directly under `loopwatch/`, or one within `web` or `tools`. Every import
counts, wherever in a file it stands: an import inside a function is still an import.
"""

import ast
import inspect
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import loopwatch
from loopwatch.exporters.metrics import METRICS

PACKAGE = Path(__file__).resolve().parents[1] / "loopwatch"
FLOORS = (
    ("_speedups",),
    ("core",),
    ("routing", "replay"),
    ("loop", "ledger", "explain", "exporters"),
    ("watchdog",),
    ("waits",),
    ("watch",),
    ("web",),
    ("tools.findings",),
    ("frameworks", "web.page", "tools.attach", "tools.diagnose", "tools.grafana"),
    ("startup",),
    ("tools.cli", "tools.testing"),
    ("__init__", "__main__", "records"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
HALLS = ("web", "tools")  # a package within one of them is a room
THIRD_PARTIES = ("prometheus_client", "opentelemetry")
OWNERS = {  # the one module that may import an extra
    "exporters.pprof": "google",
    "frameworks.grpc": "grpc",
    "startup.instrumentor": "opentelemetry.instrumentation",
    "tools.cli.serving": "uvicorn",
    "tools.cli.terminal": "rich",
    "tools.diagnose.client": "aiohttp",
    "tools.diagnose.html": "jinja2",
    "tools.diagnose.plots": "matplotlib",
    "tools.diagnose.reading": "pydantic",
    "tools.testing.pytest_hooks": "pytest",
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


def room(name: str, package: Path) -> str:
    """Return the room a module is in; the package itself is the room `__init__`."""
    first, *more = name.removeprefix(package.name).strip(".").split(".")
    if first in HALLS and more and (package / first / more[0]).is_dir():
        return f"{first}.{more[0]}"
    return first or "__init__"


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
        here, there = room(name, package), room(target, package)
        why = None
        if target == package.name:
            why = "nothing inside imports the package root"
        elif here == there:
            continue
        elif here not in FLOOR or there not in FLOOR:
            why = "both rooms need a floor in FLOORS"
        elif FLOOR[there] > FLOOR[here]:
            why = "imports point down"
        elif FLOOR[there] == FLOOR[here]:
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
            beyond = target.startswith(API_ONLY) and not (own and target.startswith(own))
            if top not in allowed or beyond:
                found.append(f"{name}, line {line}, imports {target}")
    return found


def plant(folder: Path, sources: dict[str, str]) -> Path:
    """Return a package `house` of the given modules, such as `loop/probe`."""
    package = folder / "house"
    for name, source in sources.items():
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    for inside in (package, *(path for path in package.rglob("*") if path.is_dir())):
        (inside / "__init__.py").touch()
    return package


def test_every_room_has_a_floor() -> None:
    """A new room needs a decision: where it stands, and whom it may know."""
    rooms = {room(name, PACKAGE) for name in modules(PACKAGE)}
    assert rooms - {"tools"} == FLOOR.keys() - {"_speedups"}


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
        (
            {"core/clock": "from house.watch import Watch"},
            "core.clock, line 1, imports house.watch",
        ),
        ({"core/clock": "import house.watch"}, "imports point down"),
        ({"core/clock": "def f():\n    from ..watch import Watch"}, "line 2, imports house.watch"),
        ({"loop/probe": "from ..watch import Watch"}, "loop.probe, line 1, imports house.watch"),
        ({"loop/probe": "from house.ledger.steps import x"}, "do not know each other"),
        ({"loop/probe": "from house import ledger"}, "do not know each other"),
        ({"web/page/app": "from house.tools.grafana import x"}, "do not know each other"),
        ({"web/app": "from house.web.page import app"}, "imports point down"),
        ({"tools/cli/top": "from house import Watch"}, "the package root"),
        ({"tools/cli/top": "import house"}, "the package root"),
        ({"attic/box": "import house.core.clock"}, "need a floor"),
    ],
)
def test_checker_catches_a_planted_import(
    tmp_path: Path, sources: dict[str, str], words: str
) -> None:
    rooms = {"watch/watch": "", "core/clock": "", "ledger/steps": ""}
    rooms |= {"web/page/html": "", "tools/grafana/files": ""}
    wrong = wrong_imports(plant(tmp_path, rooms | sources))
    assert len(wrong) == 1
    assert words in wrong[0]


def test_checker_lets_downward_imports_pass(tmp_path: Path) -> None:
    sources = {
        "core/clock": "import dataclasses",
        "loop/probe": "from house.core import clock\nfrom .steps import x",
        "loop/steps": "from ..core.clock import x",
        "watch/loops": "from ..loop import probe",
        "watch/watch": "from .loops import x\nimport house.loop.probe",
        "web/page/app": "from house.web.answers import x\nfrom ...watch import watch",
        "web/answers": "",
        "__main__": "from house.watch import x",
    }
    package = plant(tmp_path, sources)
    assert wrong_imports(package) == []
    assert cycle(package) == []
    assert foreign_imports(package) == []


@pytest.mark.parametrize(
    "sources",
    [
        {"loop/a": "from house.loop.b import x", "loop/b": "from house.loop.a import y"},
        {"loop/a": "from . import b", "loop/b": "from . import c", "loop/c": "from .a import y"},
        {"core/a": "from house.core import b", "core/b": "def f():\n    import house.core.a"},
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
    assert len(foreign_imports(plant(tmp_path, {"core/clock": source}))) == 1


def test_no_long_files() -> None:
    """One noun per file; a file that grows beyond this holds two."""
    lengths = {
        str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*")
        if path.suffix in (".py", ".js", ".css", ".html")
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


def test_front_door_agrees_with_what_is_there() -> None:
    """`__all__` is sorted, whole, and everything in it exists.

    The root has no logic of its own, but for what checkers see imported at once, and `__getattr__`
    imports where it is named.
    """
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (late,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        alias.asname or alias.name
        for node in (*tree.body, *late.body)
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }
    assert set(loopwatch.__all__) == imported
    assert loopwatch.__all__ == sorted(loopwatch.__all__)
    assert all(hasattr(loopwatch, name) for name in loopwatch.__all__)
    assert [type(node) for node in tree.body if not isinstance(node, ast.ImportFrom)] == [
        ast.Expr,
        ast.If,
        ast.Assign,
    ]
    assert ast.unparse(late.test) == "TYPE_CHECKING"
    assert {type(node) for node in late.body} == {ast.ImportFrom}
    assert [getattr(node, "name", node) for node in late.orelse] == ["__getattr__", "__dir__"]


def documented_table(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading of a page, without their marks."""
    text = (PACKAGE.parent / "docs" / page).read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in row.split("|")[1:-1]] for row in rows[2:]]


def test_every_metric_is_documented() -> None:
    table = documented_table("metrics.md", "Table of metrics")
    documented = {name: (kind, labels) for name, kind, labels, _ in table}
    assert documented == {m.prometheus_name: (m.kind, ", ".join(m.labels)) for m in METRICS}


def test_every_option_is_documented() -> None:
    """Each with its default, and the variable that sets it where there is one."""
    options = inspect.signature(loopwatch.Watch).parameters
    table = documented_table("options.md", "Table of options")
    assert {row[0] for row in table} == set(options)
    for keyword, variable, default, _ in table:
        if variable:
            assert variable == f"LOOPWATCH_{keyword.upper()}"
            assert default == str(options[keyword].default)
            loopwatch.Watch.from_env({variable: default})
