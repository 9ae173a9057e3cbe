"""What the stub of the compiled twin says is there is there, and nothing else."""

import ast
from pathlib import Path

import pytest

import loopwatch
from loopwatch.core.speedups import speedups

STUB = Path(loopwatch.__file__).with_name("_speedups.pyi")


def names(body: list[ast.stmt]) -> set[str]:
    found: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found.add(statement.target.id)
        elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
            found.add(statement.name)
    return {name for name in found if not name.startswith("__")}


def public(thing: object) -> set[str]:
    return {name for name in vars(thing) if not name.startswith("__")}


@pytest.mark.skipif(speedups is None, reason="the compiled twin was not built")
def test_the_stub_names_what_the_compiled_twin_has() -> None:
    assert speedups is not None
    stub = ast.parse(STUB.read_text(encoding="utf-8"))
    assert names(stub.body) == public(speedups)
    for statement in stub.body:
        if isinstance(statement, ast.ClassDef):
            kind = getattr(speedups, statement.name)
            assert names(statement.body) == public(kind), statement.name
