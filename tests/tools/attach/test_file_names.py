"""Modules and source text by path alone."""

from pathlib import Path

import pytest

from loopwatch.core.evidence import OutsideFrame
from loopwatch.explain.site import is_own
from loopwatch.tools.attach.file_names import Files

from .fake_proc import FakeProc


@pytest.fixture
def files(tmp_path: Path) -> Files:
    proc = FakeProc(tmp_path)
    proc.process(100)
    return Files(proc.tree, 100)


@pytest.mark.parametrize(
    ("file", "module", "own"),
    [
        ("/app/main.py", "main", True),
        ("/usr/lib/python3.9/json/decoder.py", "json.decoder", False),
        ("/usr/local/lib/python3.13t/asyncio/base_events.py", "asyncio.base_events", False),
        ("/venv/lib/python3.12/site-packages/httpx/__init__.py", "httpx", False),
        ("/venv/lib/python3.12/site-packages/acme/db/pool.py", "acme.db.pool", False),
        ("/usr/lib/python3/dist-packages/yaml/loader.py", "yaml.loader", False),
        ("<frozen importlib._bootstrap>", "importlib._bootstrap", False),
    ],
)
def test_modules_and_own_code(files: Files, file: str, module: str, own: bool) -> None:
    spot = files.spot(OutsideFrame("f", file, 3))
    assert spot.module == module
    assert is_own(spot) is own


def test_a_module_is_named_by_its_packages(tmp_path: Path, files: Files) -> None:
    inner = tmp_path / "src" / "shop" / "api"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "__init__.py").write_text("")
    assert files.module(str(inner / "views.py")) == "shop.api.views"
    assert files.module(str(inner / "__init__.py")) == "shop.api"
    assert files.module(str(tmp_path / "src" / "main.py")) == "main"


def test_source_text_and_coroutines_by_line(tmp_path: Path, files: Files) -> None:
    path = tmp_path / "app.py"
    path.write_text(
        "async def a():\n    def b():\n        work()  # slow\n    await b()\n\nwork()\n"
    )
    assert files.text(str(path), 3) == "work()"
    assert files.text(str(path), 99) == files.text("/nowhere.py", 1) == ""
    assert [files.is_async(str(path), line) for line in (3, 4, 6)] == [False, True, False]
    broken = tmp_path / "broken.py"
    broken.write_text("async def (:\n")
    assert not files.is_async(str(broken), 1)
