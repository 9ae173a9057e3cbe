"""Calls for modules that have been imported, and nothing left behind."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from loopwatch.startup.import_hook import ImportHook

NAME = "hooked_for_a_test"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / f"{NAME}.py"
    path.write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    yield path
    sys.modules.pop(NAME, None)


def hook(seen: list[ModuleType], said: list[str]) -> ImportHook:
    return ImportHook({NAME: seen.append}, said.append)


def test_a_module_is_patched_once_it_has_run(source: Path) -> None:
    values: list[int] = []
    made = ImportHook({NAME: lambda module: values.append(module.value)}, print)
    made.install()
    module = importlib.import_module(NAME)
    assert values == [1]
    importlib.reload(module)
    assert values == [1]


def test_a_module_that_is_there_already_is_patched_at_once(source: Path) -> None:
    module, seen = importlib.import_module(NAME), list[ModuleType]()
    hook(seen, []).install()
    assert seen == [module]


def test_nothing_of_it_stays_on_the_module(source: Path) -> None:
    bare = importlib.import_module(NAME)
    del sys.modules[NAME]
    hook([], []).install()
    module = importlib.import_module(NAME)
    assert vars(module).keys() == vars(bare).keys()
    assert type(module.__loader__) is type(bare.__loader__)
    assert vars(module.__loader__) == vars(bare.__loader__)


def test_who_only_looks_for_a_module_does_not_use_the_patch_up(source: Path) -> None:
    seen: list[ModuleType] = []
    hook(seen, []).install()
    assert importlib.util.find_spec(NAME) is not None
    assert seen == []
    assert [importlib.import_module(NAME)] == seen


def test_a_patch_that_fails_is_said_and_the_import_succeeds(source: Path) -> None:
    said: list[str] = []
    made = ImportHook({NAME: lambda module: module.missing}, said.append)
    made.install()
    assert importlib.import_module(NAME).value == 1
    [text] = said
    assert text.startswith(f"{NAME} is not as expected (AttributeError: ")


def test_a_module_that_raises_raises_the_same(source: Path) -> None:
    source.write_text("raise LookupError('planted')\n")
    seen: list[ModuleType] = []
    hook(seen, []).install()
    with pytest.raises(LookupError, match="planted"):
        importlib.import_module(NAME)
    assert seen == []


def test_uninstalled_it_patches_nothing(source: Path) -> None:
    seen: list[ModuleType] = []
    made = hook(seen, [])
    made.install()
    made.uninstall()
    importlib.import_module(NAME)
    assert seen == []
    assert made not in sys.meta_path


def test_other_modules_are_found_by_others(source: Path) -> None:
    assert hook([], []).find_spec("json") is None
