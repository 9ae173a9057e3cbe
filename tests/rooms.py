"""The rooms of the package, the floors they stand on, and the imports between them.

A room is a package directly under `loopwatch/`, or one within `web` or `tools`. Every import
counts, wherever in a file it stands: an import inside a function is still an import.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

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
