"""The site of code that no module of the app has: strings, notebooks, plugins, zip files."""

import builtins
import dataclasses
import importlib
import linecache
import sys
import zipfile
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from loopwatch.core.evidence import Spot
from loopwatch.explain.site import is_own, site, site_spot


def run_in(source: str, file: str, **names: object) -> tuple[Spot, ...]:
    """Run source that sets `spots`, as code of a file."""
    names |= {"here": lambda: here_below(), "__builtins__": builtins}
    exec(compile(source, file, "exec"), names)
    spots: Any = names["spots"]
    return tuple(spots)


def here_below() -> list[Spot]:
    found: list[Spot] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and len(found) < 3:
        module = frame.f_globals.get("__name__") or "?"
        found.append(Spot(frame.f_code, frame.f_lasti, frame.f_lineno, str(module)))
        frame = frame.f_back
    return found


@pytest.mark.parametrize(
    ("file", "name"),
    [("<string>", "shop"), ("<string>", None), ("<template>", None), ("/app/page.html", None)],
)
def test_code_from_a_string_is_named_by_who_ran_it(file: str, name: str | None) -> None:
    spots = run_in("spots = here()", file, **{"__name__": name} if name else {})
    assert spots[0].code.co_filename == file
    named = site_spot(spots)
    assert named is not None
    assert named.code is run_in.__code__
    assert site_spot(spots[:1]) is spots[0], "nothing else is there"
    assert site(spots[0]).code == ""


def test_a_plugin_run_from_its_file_is_own_code(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text("spots = here()  # plugin")
    spots = run_in(plugin.read_text(), str(plugin))
    assert site_spot(spots) is spots[0]
    assert site(spots[0]).code == "here()"


def test_a_generated_method_is_nobodys_line() -> None:
    @dataclasses.dataclass
    class Price:
        spots: list[Spot] = dataclasses.field(default_factory=lambda: here_below())

    spots = tuple(Price().spots)
    assert spots[0].code.co_filename == "<string>"
    named = site_spot(spots)
    assert named is not None
    assert named.code.co_name == "test_a_generated_method_is_nobodys_line"


def test_a_notebook_s_cell_is_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in no file, but linecache has it."""
    source = "def cell():\n    return here()\nspots = cell()\n"
    file = "<ipython-input-1-abc>"
    entry = len(source), None, source.splitlines(keepends=True), file
    monkeypatch.setitem(linecache.cache, file, entry)
    spots = run_in(source, file, __name__="__main__")
    found = site_spot(spots)
    assert found is spots[0]
    assert (site(found).function, site(found).code) == ("__main__.cell", "here()")


def test_a_zipped_package_has_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "shop.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("zipped_shop/__init__.py", "")
        packed.writestr("zipped_shop/prices.py", "def price(f):\n    return f(1,\n      2)\n")
    monkeypatch.syspath_prepend(str(archive))
    prices = importlib.import_module("zipped_shop.prices")
    spots = prices.price(lambda *_: tuple(here_below()))
    assert is_own(spots[0])
    found = site(spots[0])
    assert found.file.startswith(str(archive))
    assert (found.function, found.line, found.code) == ("zipped_shop.prices.price", 2, "f(1, 2)")


def test_another_file_s_lines_are_not_told(tmp_path: Path) -> None:
    """A loader knows its module's source, which code run in the module need not be from."""
    spots = run_in("x = 1\nspots = here()", str(tmp_path / "gone.py"), __name__=__name__)
    assert site(spots[0]).code == ""
