"""What is own code, and what is installed, plumbing or nobody's: by file, by package."""

import json
import sys
import sysconfig
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from loopwatch.core.evidence import Spot
from loopwatch.explain.site import SiteRules, is_own, is_plumbing
from tests.explain.made_spots import (
    FRAMEWORK,
    FROZEN,
    INSTALLED,
    OURS,
    OWN,
    SERVER,
    STDLIB,
    spot_in,
)


def test_what_is_own_and_what_is_plumbing() -> None:
    assert [is_own(s) for s in (OWN, STDLIB, INSTALLED, FROZEN, OURS)] == [True] + [False] * 4
    plumbing = [is_plumbing(s) for s in (SERVER, FRAMEWORK, INSTALLED, OWN)]
    assert plumbing == [True, True, False, False]


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


def test_namespace_packages_are_own_where_they_are_not_installed() -> None:
    assert is_own(spot_in("acme.shop", "/app/src/acme/shop/prices.py"))
    assert not is_own(spot_in("acme.lib", "/x/site-packages/acme/lib/tools.py"))
