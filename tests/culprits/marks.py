"""Where the culprits are, from the source alone: the lines that end in `# culprit: name`."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
MARK = re.compile(r"# culprit: (\w+)$")


class Mark(NamedTuple):
    function: str  # module.qualname
    file: str
    line: int


class Function(NamedTuple):
    name: str  # module.qualname
    file: str
    line: int  # of its `def`
    first: int  # line, decorators included
    last: int


@cache
def marks() -> dict[str, Mark]:
    """Return all marks by name."""
    found: dict[str, Mark] = {}
    for path in sources():
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if match := MARK.search(text):
                assert match[1] not in found, f"{match[1]} is marked twice"
                found[match[1]] = Mark(function_at(str(path), line), str(path), line)
    return found


def function_at(file: str, line: int) -> str:
    inside = [f for f in functions() if f.file == file and f.first <= line <= f.last]
    return inside[-1].name if inside else f"{module(Path(file))}.<module>"


@cache
def functions() -> tuple[Function, ...]:
    """Return all functions, inner ones after their outer one."""
    return tuple(
        function
        for path in sources()
        for function in defined(ast.parse(path.read_text(encoding="utf-8")), path, module(path))
    )


def defined(node: ast.AST, path: Path, prefix: str) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}.{child.name}"
            first = min(part.lineno for part in (child, *child.decorator_list))
            yield Function(name, str(path), child.lineno, first, child.end_lineno or first)
            yield from defined(child, path, f"{name}.<locals>")
        elif isinstance(child, ast.ClassDef):
            yield from defined(child, path, f"{prefix}.{child.name}")
        else:
            yield from defined(child, path, prefix)


def sources() -> list[Path]:
    return sorted(HERE.glob("*.py"))


def module(path: Path) -> str:
    return f"tests.culprits.{path.stem}"
