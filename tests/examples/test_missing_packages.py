"""Where a package is missing that an example needs, it says so in one line, and exits with 2."""

import ast
import runpy
import sys
from pathlib import Path

import pytest

from .expected import EXAMPLES, NOT_INSTALLED

HERE = sys.stdlib_module_names | {"loopwatch"}
SCRIPTS = sorted([*EXAMPLES.glob("*.py"), *(EXAMPLES / "at_home").glob("*.py")])


def third_parties(example: Path) -> list[str]:
    """Return the packages that it imports, in order."""
    found = []
    for node in ast.walk(ast.parse(example.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return [name for name in found if name.partition(".")[0] not in HERE]


@pytest.mark.parametrize(
    "example", [path for path in SCRIPTS if third_parties(path)], ids=lambda path: path.stem
)
def test_a_missing_package_is_told_in_one_line(
    example: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = third_parties(example)[0].partition(".")[0]
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(example))
    assert left.value.code == NOT_INSTALLED
    (line,) = capsys.readouterr().err.splitlines()
    assert missing in line
    assert ": pip install " in line
