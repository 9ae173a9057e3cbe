"""The house: imports point down by floor, rooms of one floor do not know each other, no cycles."""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.rooms import FLOOR, PACKAGE, imports, inner_imports, modules, room

TESTS = Path(__file__).parent
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


def test_no_test_module_imports_another_one() -> None:
    """What tests share stands in a module of its own: a test can move, or be run, by itself."""
    found = [
        f"{path.relative_to(TESTS)}: {node.module}"
        for path in sorted(TESTS.rglob("*.py"))
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom) and "test_" in (node.module or "")
    ]
    assert found == []
