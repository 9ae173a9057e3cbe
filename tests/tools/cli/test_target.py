"""Finding the app that an import string names."""

import sys
from pathlib import Path

import pytest

from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.target import load


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_app_in_a_package_by_a_dotted_path(here: Path) -> None:
    package = here / "target_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "main.py").write_text(
        "class Site:\n"
        "    async def __call__(self, scope, receive, send): ...\n"
        "class Holder:\n"
        "    app = Site()\n"
    )
    assert type(load("target_package.main:Holder.app", factory=False)).__name__ == "Site"


def test_plain_function_is_an_app(here: Path) -> None:
    (here / "target_function.py").write_text("async def app(scope, receive, send): ...\n")
    assert load("target_function:app", factory=False).__name__ == "app"


def test_syntax_error_is_told_with_its_place(here: Path) -> None:
    (here / "target_syntax.py").write_text("def app(:\n")
    with pytest.raises(CommandError, match=r"SyntaxError: .*\(target_syntax\.py, line 1\)$"):
        load("target_syntax:app", factory=False)


def test_long_error_is_cut(here: Path) -> None:
    (here / "target_long.py").write_text("raise ValueError('x\\n' * 10_000)\n")
    with pytest.raises(CommandError) as told:
        load("target_long:app", factory=False)
    assert len(str(told.value)) < 600
    assert "\n" not in str(told.value)


def test_module_missing_from_a_package_that_is_there(here: Path) -> None:
    (here / "target_parent").mkdir()
    (here / "target_parent" / "__init__.py").touch()
    with pytest.raises(CommandError, match=r"got 'target_parent\.child', which is not found"):
        load("target_parent.child:app", factory=False)
