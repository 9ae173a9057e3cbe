"""What is public: the names of the root, and the tables of all metrics and options."""

import ast
import inspect

import loopwatch
from loopwatch.exporters.metrics import METRICS
from tests.rooms import PACKAGE


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
