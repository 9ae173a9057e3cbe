"""The traceback that leads to a stall's line."""

import traceback
from pathlib import Path

import pytest

from loopwatch import Frame, Site, Stall
from loopwatch.tools.testing.shown_frames import raise_at

SOURCE = """\
import time


async def outer():
    x = 1
    return inner(x)


class Thing:
    def method(self):
        (
            time.sleep(0.3)
        )


CALL = time.sleep(0.3)
"""
INSTALLED = Frame("lib.call", "/x/site-packages/lib.py", 7)


def shown(stall: Stall, otherwise: Frame | None = None) -> list[tuple[str, int | None, str]]:
    with pytest.raises(RuntimeError) as raised:
        raise_at(stall, otherwise, RuntimeError("held"))
    frames = traceback.extract_tb(raised.tb)
    ours = ("shown_frames.py", "test_shown_frames.py")
    return [(f.name, f.lineno, f.line or "") for f in frames if Path(f.filename).name not in ours]


def stall(site: Site, *stack: Frame) -> Stall:
    return Stall(started_at=0.0, duration=0.3, site=site, stack=stack)


def test_own_frames_lead_to_the_site_and_others_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(SOURCE)
    outer, method = Frame("shop.outer", str(file), 6), Frame("shop.Thing.method", str(file), 12)
    site = Site(method.function, method.file, method.line)
    found = shown(stall(site, INSTALLED, outer, INSTALLED, method, INSTALLED))
    assert found == [("outer", 6, "return inner(x)"), ("method", 12, "time.sleep(0.3)")]


def test_a_site_that_is_not_on_the_stack_stands_alone(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(SOURCE)
    site = Site("shop.<module>", str(file), 16)
    assert shown(stall(site, INSTALLED)) == [("<module>", 16, "CALL = time.sleep(0.3)")]


def test_a_site_in_a_library_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(SOURCE)
    site = Site(INSTALLED.function, INSTALLED.file, INSTALLED.line)
    outer = Frame("shop.outer", str(file), 6)
    assert shown(stall(site, outer, INSTALLED)) == [("outer", 6, "return inner(x)")]
    assert shown(stall(site, INSTALLED), Frame("test_it", "/gone.py", 3)) == [("test_it", 3, "")]


def test_without_a_line_the_test_is_named() -> None:
    none = Site("_NONE", exact=False)
    assert shown(stall(none), Frame("test_it", "/gone.py", 3)) == [("test_it", 3, "")]
    assert shown(stall(none)) == []


def test_a_file_that_is_gone_or_no_python_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text("<p>{{ x }}</p>\n")
    for name in (str(file), "/gone.py", "<string>"):
        (frame,) = shown(stall(Site("f", name, 1)))
        assert frame[:2] == ("f", 1)
