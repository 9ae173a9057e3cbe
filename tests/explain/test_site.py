"""The site: which frame is named, and the source text of the call in it."""

import builtins
import dataclasses
import functools
import importlib
import json
import linecache
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import pytest

from loopwatch.core.evidence import Spot
from loopwatch.core.record_types import Frame
from loopwatch.explain.site import (
    SiteRules,
    frames,
    is_own,
    is_plumbing,
    site,
    site_of_code,
    site_spot,
)
from loopwatch.explain.source_text import CODE_LENGTH, call_text


def here() -> tuple[Spot, ...]:
    """Return the caller's stack as spots, innermost first, down to this module's last frame."""
    spots: list[Spot] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (not spots or frame.f_globals["__name__"] == __name__):
        module = str(frame.f_globals["__name__"])
        spots.append(Spot(frame.f_code, frame.f_lasti, frame.f_lineno, module))
        frame = frame.f_back
    return tuple(spots)


def spot_in(module: str, file: str, source: str = "def f(): pass", line: int = 1) -> Spot:
    namespace: dict[str, object] = {}
    code = compile(source, file, "exec")
    exec(code, namespace)
    inner = next(c for c in code.co_consts if isinstance(c, CodeType))
    return Spot(inner, 0, line, module)


STDLIB = spot_in("json.decoder", json.__file__)
INSTALLED = spot_in("httpx._client", "/x/lib/python3.12/site-packages/httpx/_client.py")
FRAMEWORK = spot_in("starlette.routing", "/x/lib/python3.12/site-packages/starlette/routing.py")
SERVER = spot_in("uvicorn.protocols", "/x/dist-packages/uvicorn/protocols.py")
FROZEN = spot_in("importlib._bootstrap", "<frozen importlib._bootstrap>")
OURS = spot_in("loopwatch.web.middleware", str(Path(sys.modules["loopwatch"].__file__ or "")))
OWN = spot_in("shop.prices", "/app/shop/prices.py", line=12)
OUTER = spot_in("shop.main", "/app/shop/main.py", line=3)


@pytest.mark.parametrize(
    ("spots", "named"),
    [
        ((STDLIB, INSTALLED, OWN, FRAMEWORK, OUTER), OWN),
        ((OWN, STDLIB, OUTER), OWN),
        ((FROZEN, STDLIB, OUTER), OUTER),
        ((STDLIB, INSTALLED, FRAMEWORK, SERVER), STDLIB),
        ((FRAMEWORK, INSTALLED, SERVER), INSTALLED),
        ((FRAMEWORK, OURS, SERVER), None),
        ((), None),
    ],
)
def test_the_innermost_frame_of_the_user_s_own_code_is_named(
    spots: tuple[Spot, ...], named: Spot | None
) -> None:
    """Failing that, the innermost that is not plumbing."""
    assert site_spot(spots) is named


ROUTER = spot_in("starlette.routing", FRAMEWORK.code.co_filename, "async def app(): pass")


@pytest.mark.parametrize(
    ("spots", "named"),
    [
        ((STDLIB, OWN, ROUTER, OUTER), OWN),
        ((STDLIB, FRAMEWORK, OWN, ROUTER, OUTER), OWN),
        ((OWN, FRAMEWORK, ROUTER, ROUTER, OUTER), OWN),
        ((OUTER, SERVER), OUTER),
        ((STDLIB, INSTALLED, ROUTER, OUTER), None),
        ((ROUTER, OUTER), None),
    ],
)
def test_a_middleware_outside_the_router_is_innocent(
    spots: tuple[Spot, ...], named: Spot | None
) -> None:
    """It awaits the app; what no own code below the router did is the endpoint's."""
    assert site_spot(spots) is named


def test_what_is_own_and_what_is_plumbing() -> None:
    assert [is_own(s) for s in (OWN, STDLIB, INSTALLED, FROZEN, OURS)] == [True] + [False] * 4
    plumbing = [is_plumbing(s) for s in (SERVER, FRAMEWORK, INSTALLED, OWN)]
    assert plumbing == [True, True, False, False]


class Shelf:
    spots = next(here() for _ in range(1))


ON_MODULE = next([here() for _ in range(1)] for _ in range(1))[0]


def test_a_comprehension_is_the_function_it_stands_in_at_its_own_line() -> None:
    def function() -> list[tuple[Spot, ...]]:
        return [
            *(here() for _ in range(1)),
            *next(iter([[here() for _ in range(1)] for _ in range(1)])),
            *{name: here() for name in "x"}.values(),
        ]

    found = [site(site_spot(spots) or OWN) for spots in function()]
    owner = f"{__name__}.{function.__qualname__}"
    first = function.__code__.co_firstlineno
    assert [(s.function, s.line - first) for s in found] == [(owner, 2), (owner, 3), (owner, 4)]
    assert {s.code for s in found} == {"here()"}


def test_comprehensions_outside_functions() -> None:
    assert site(ON_MODULE[0]).function == f"{__name__}.<module>"
    assert site(Shelf.spots[0]).function == f"{__name__}.Shelf"


def test_a_lambda_is_a_function() -> None:
    assert site((lambda: here())()[0]).function.endswith(".<locals>.<lambda>")


def timed(function: Callable[[], tuple[Spot, ...]]) -> Callable[[], tuple[Spot, ...]]:
    @functools.wraps(function)
    def wrapper() -> tuple[Spot, ...]:
        return (function() or here())[:1]

    return wrapper


@timed
def wrapped() -> tuple[Spot, ...]:
    return here()


@timed
def fast() -> tuple[Spot, ...]:
    return ()


def test_a_decorator_is_named_only_for_what_it_does_itself() -> None:
    """A wrapper has its own name, whatever `functools.wraps` makes it say."""
    assert site(wrapped()[0]).function == f"{__name__}.wrapped"
    assert site(fast()[0]).function == f"{__name__}.timed.<locals>.wrapper"


@pytest.mark.parametrize(
    ("file", "own"),
    [
        ("/home/u/shop/lib/python3.12/prices.py", True),
        ("/home/u/lib/shop/prices.py", True),
        ("/home/u/my-site-packages/shop/prices.py", True),
        ("/home/u/site-packages.bak/shop/prices.py", True),
        ("/app/.venv/src/shop/prices.py", True),
        (sys.prefix + "/shop/prices.py", True),
        (sysconfig.get_path("stdlib") + "-shop/prices.py", True),
        ("/app/shop.zip/shop/prices.py", True),
        ("/app/shop/prices.pyx", True),
        (r"C:\app\shop\prices.py", True),
        ("/app/.venv/lib/python3.12/site-packages/httpx/_client.py", False),
        ("/app/.venv/lib/python3.12/site-packages/foo.egg/foo/x.py", False),
        ("/home/u/.local/lib/python3.12/site-packages/httpx/_client.py", False),
        ("/usr/lib/python3/dist-packages/httpx/_client.py", False),
        (r"C:\app\venv\Lib\site-packages\httpx\_client.py", False),
        ("/opt/python{}{}.zip/json/decoder.py".format(*sys.version_info), False),
        (sysconfig.get_path("stdlib") + "/json/decoder.py", False),
        (sysconfig.get_path("purelib") + "/httpx/_client.py", False),
        ("<frozen os>", False),
    ],
)
def test_the_place_of_a_file_tells_what_is_installed(file: str, own: bool) -> None:
    assert is_own(spot_in("acme.prices", file)) is own


def test_links_are_followed(tmp_path: Path) -> None:
    """A link to the standard library is no own code; a link out of site-packages is none either."""
    (tmp_path / "python").symlink_to(Path(json.__file__).parent.parent)
    assert not is_own(spot_in("json", str(tmp_path / "python/json/decoder.py")))
    cache, packages = tmp_path / "cache", tmp_path / "site-packages"
    cache.mkdir()
    packages.mkdir()
    (packages / "httpx").symlink_to(cache)
    assert not is_own(spot_in("httpx", str(packages / "httpx/_client.py")))
    (tmp_path / "current").symlink_to(cache)
    assert is_own(spot_in("shop", str(tmp_path / "current/prices.py")))


def test_app_packages_are_own_wherever_they_lie() -> None:
    """By import name, up to a dot."""
    rules = SiteRules(("acme.shop", "httpx", "starlette"))
    inside = "/x/lib/python3.12/site-packages/acme/x.py"
    assert rules.is_own(spot_in("acme.shop", inside))
    assert rules.is_own(spot_in("acme.shop.prices", inside))
    assert rules.is_own(OWN)
    assert not rules.is_own(spot_in("acme.shopping", inside))
    assert not rules.is_own(spot_in("acme", inside))
    assert rules.site_spot((STDLIB, INSTALLED, OWN)) is INSTALLED
    assert (rules.is_own(FRAMEWORK), rules.is_plumbing(FRAMEWORK)) == (True, False)
    assert (rules.is_own(SERVER), rules.is_plumbing(SERVER)) == (False, True)


def test_a_package_run_as_a_program_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m acme` calls it `__main__`."""
    program = ModuleType("__main__")
    program.__spec__ = ModuleSpec("acme.__main__", None)
    monkeypatch.setitem(sys.modules, "__main__", program)
    spot = spot_in("__main__", "/x/lib/python3.12/site-packages/acme/__main__.py")
    assert SiteRules(("acme",)).is_own(spot)
    assert not is_own(spot)


def test_plumbing_from_a_checkout_is_still_plumbing() -> None:
    assert not is_own(spot_in("uvicorn.server", "/home/u/uvicorn/uvicorn/server.py"))


def test_a_launcher_is_nobodys_code() -> None:
    code = compile("pass", sysconfig.get_path("scripts") + "/shop", "exec")
    assert not is_own(Spot(code, 0, 1, "__main__"))


def test_relative_paths_are_where_their_module_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled extensions and frozen programs have such."""
    library, own = ModuleType("frames._libs"), ModuleType("prices")
    library.__file__ = "/x/site-packages/frames/_libs.so"
    own.__file__ = "/app/prices.so"
    monkeypatch.setitem(sys.modules, "frames._libs", library)
    monkeypatch.setitem(sys.modules, "prices", own)
    assert not is_own(spot_in("frames._libs", "frames/_libs.pyx"))
    assert is_own(spot_in("prices", "prices.pyx"))
    assert not is_own(spot_in("json.decoder", "json/decoder.py"))
    assert is_own(spot_in("unknown", "unknown.pyx"))


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


def test_namespace_packages_are_own_where_they_are_not_installed() -> None:
    assert is_own(spot_in("acme.shop", "/app/src/acme/shop/prices.py"))
    assert not is_own(spot_in("acme.lib", "/x/site-packages/acme/lib/tools.py"))


def the_call(*parts: object) -> Spot:
    return here()[1]


def test_the_text_is_the_call_s_alone() -> None:
    """PEP 657: of several calls on one line, the one that runs."""
    number = 3
    spots = [len([1]), the_call("a", number), len([2])]
    spot = spots[1]
    assert isinstance(spot, Spot)
    assert call_text(spot) == 'the_call("a", number)'


def test_a_call_of_many_lines_is_put_on_one() -> None:
    # fmt: off
    spot = the_call(
        "one",
        "two",
    )
    # fmt: on
    assert call_text(spot) == 'the_call( "one", "two", )'


def test_comments_are_no_part_of_the_text() -> None:
    # fmt: off
    spot = the_call(  # slow
        "one",  # two
        "#3",
    )  # and over
    # fmt: on
    assert call_text(spot) == 'the_call( "one", "#3", )'


def test_characters_are_not_bytes() -> None:
    spot = "ä€𝄞" and the_call("ä€𝄞", 1)
    assert isinstance(spot, Spot)
    assert call_text(spot) == 'the_call("ä€𝄞", 1)'


def test_long_texts_are_cut() -> None:
    # fmt: off
    spot = the_call("0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "012345678",
                    "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "012345678",
                    "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "012345678")
    # fmt: on
    assert len(call_text(spot)) == CODE_LENGTH


def test_without_source_there_is_no_text() -> None:
    spot = spot_in("gone", "/nowhere/gone.py")
    assert call_text(spot) == ""
    assert site(spot).function == "gone.f"
    assert site(spot).line == 1


def test_a_site_names_module_and_qualified_function() -> None:
    found = site(the_call())
    assert found.function == f"{__name__}.test_a_site_names_module_and_qualified_function"
    assert found.file == __file__
    assert found.code == "the_call()"
    assert found.exact is True


def test_a_function_as_a_site_is_not_exact() -> None:
    code = the_call.__code__
    found = site_of_code(code, __name__)
    assert (found.function, found.line) == (f"{__name__}.the_call", code.co_firstlineno)
    assert (found.code, found.exact) == ("", False)


def test_a_stack_is_outermost_first() -> None:
    assert frames((OWN, OUTER)) == (
        Frame("shop.main.f", "/app/shop/main.py", 3),
        Frame("shop.prices.f", "/app/shop/prices.py", 12),
    )
