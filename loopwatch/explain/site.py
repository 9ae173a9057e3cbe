"""The site: the innermost frame of the user's own code, and the source text of the call there.

Own code is what is neither the standard library, nor installed (site-packages), nor plumbing: the
loop, the server, the framework, loopwatch. Packages named in `app_packages` are own wherever they
lie. Where a file's name does not tell (code from a string, a relative path), its module's does.
Code generated in the user's name (a dataclass's `__init__`, `exec`, a template) is named only if
nothing else is: there is no line in a file to look at. Where a router is on the stack, only what it
called counts: a middleware outside merely waits for it. Where there is no router and no own code,
the innermost frame that is not plumbing is named.
"""

from __future__ import annotations

import inspect
import itertools
import linecache
import os
import sys
import sysconfig
from functools import lru_cache, partial
from types import CodeType
from typing import Any, NamedTuple

from loopwatch.core.evidence import Spot
from loopwatch.core.memo import CodeMemo
from loopwatch.core.names import attribute, code_name, module_globals
from loopwatch.core.record_types import Frame, Site
from loopwatch.core.stack import of_stack
from loopwatch.explain.source_text import NOT_IN_A_FILE, call_text, definition_line

FILES = 4096  # whose place is remembered
PLACES = 1024  # of code, remembered as sites

COMPREHENSIONS = (".<genexpr>", ".<listcomp>", ".<setcomp>", ".<dictcomp>")

PLUMBING = frozenset(
    (
        *("asyncio", "selectors", "threading", "concurrent", "contextlib", "contextvars"),
        *("functools", "runpy", "loopwatch", "uvloop", "uvicorn", "gunicorn", "uvicorn_worker"),
        *("hypercorn", "granian", "daphne", "starlette", "fastapi", "anyio", "sniffio"),
        *("litestar", "opentelemetry", "prometheus_client"),
    )
)

ROUTERS = frozenset(
    (
        *("starlette.routing", "fastapi.routing", "litestar.routes.http"),
        *("litestar.routes.websocket", "django.core.handlers.base", "channels.routing"),
        *("quart.app", "falcon.asgi.app", "sanic.app", "sanic.asgi", "lilya.routing.router"),
        *("blacksheep.server.application", "connexion.middleware.routing"),
        "engineio.async_drivers.asgi",
    )
)


class SiteRules(NamedTuple):
    """What counts as own code, and which frame of a stack is the site."""

    app_packages: tuple[str, ...] = ()  # import names

    def is_own(self, spot: Spot) -> bool:
        """Return whether a frame is the user's own code."""
        return self.is_app(spot) or not (is_plumbing(spot) or is_installed(spot))

    def is_own_code(self, code: CodeType) -> bool:
        """Return the same of a code object, by its file alone."""
        file = code.co_filename
        return not file.startswith("<") and self.is_own_file(file)

    def is_own_file(self, file: str) -> bool:
        inside = (f"/{name.replace('.', '/')}/" in uniform(file) for name in self.app_packages)
        return not lies_installed(file) or any(inside)

    def is_own_callable(self, function: Any) -> bool:
        """Return the same of a function, a method, a partial, a class or a callable object."""
        code = endpoint_code(function)
        if code is None:
            owner = function if isinstance(function, type) else type(function)
            file = module_globals(str(attribute(owner, "__module__"))).get("__file__")
            return isinstance(file, str) and self.is_own_file(file)
        return self.is_own_code(code)

    def is_app(self, spot: Spot) -> bool:
        """Return whether a frame is of a package named in `app_packages`."""
        if not self.app_packages:
            return False
        module = imported_name(spot.module) + "."
        return any(module.startswith(name + ".") for name in self.app_packages)

    def is_plumbing(self, spot: Spot) -> bool:
        return is_plumbing(spot) and not self.is_app(spot)

    def is_plumbing_name(self, name: str) -> bool:
        """Return whether a coroutine's `module.qualname` is the loop's, a server's or the like."""
        return name.partition(".")[0] in PLUMBING and not any(
            name.startswith(package + ".") for package in self.app_packages
        )

    def own_spots(self, spots: tuple[Spot, ...]) -> list[Spot]:
        """Return the own frames, innermost first; those that the router called, if there is one."""
        return [spots[place] for place in own_places(spots, self)]

    def site_spot(self, spots: tuple[Spot, ...]) -> Spot | None:
        """Return the frame to name; None if only who owns the step can be named."""
        place = site_place(spots, self)
        return None if place is None else spots[place]


DEFAULT = SiteRules()
is_own = DEFAULT.is_own
own_spots = DEFAULT.own_spots
site_spot = DEFAULT.site_spot


@of_stack
def own_places(spots: tuple[Spot, ...], rules: SiteRules) -> tuple[int, ...]:
    """Return where the own frames are in a stack; of what the router called, if there is one."""
    called = enumerate(itertools.takewhile(not_router, spots))
    return tuple(place for place, spot in called if rules.is_own(spot))


@of_stack
def site_place(spots: tuple[Spot, ...], rules: SiteRules) -> int | None:
    """Return where the frame to name is in a stack."""
    own = own_places(spots, rules)
    for place in own:
        if not is_generated(spots[place]):
            return place
    if own or not all(map(not_router, spots)):
        return own[0] if own else None
    return next((place for place, spot in enumerate(spots) if not is_plumbing(spot)), None)


def is_plumbing(spot: Spot) -> bool:
    return spot.module.partition(".")[0] in PLUMBING


def not_router(spot: Spot) -> bool:
    """Return whether a frame is anything but a framework's router at work."""
    return spot.module not in ROUTERS or not spot.code.co_flags & inspect.CO_COROUTINE


def is_coroutine(spot: Spot) -> bool:
    """Return whether a frame is of a coroutine or an asynchronous generator."""
    return bool(spot.code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR))


def endpoint_code(endpoint: Any) -> CodeType | None:
    """Return the code of a function, a method or a partial, whatever decorates it."""
    while issubclass(type(endpoint), partial):
        endpoint = endpoint.func
    if endpoint is None or isinstance(endpoint, type):
        return None
    code = attribute(inspect.unwrap(endpoint), "__code__")
    return code if isinstance(code, CodeType) else None


def is_generated(spot: Spot) -> bool:
    """Return whether a frame's code is in no file that a person wrote.

    A cell of a notebook is in none either, but linecache has it. A template's code is in the name
    of its file, but nobody's module and no Python.
    """
    file = spot.code.co_filename
    if file.startswith("<"):
        return file.startswith(NOT_IN_A_FILE) or file not in linecache.cache
    return spot.module == "?" and not file.endswith((".py", ".pyw"))


def is_installed(spot: Spot) -> bool:
    """Return whether a frame is of the standard library, an installed package or loopwatch."""
    file = spot.code.co_filename
    if file.startswith("<frozen "):
        return True
    if not is_absolute(file):
        if spot.module.partition(".")[0] in sys.stdlib_module_names:
            return True
        if spot.module != "__main__":  # typed there, whatever the program is
            file = module_globals(spot.module).get("__file__") or file
    return lies_installed(file) or (spot.module == "__main__" and is_launcher(spot.code))


def is_absolute(file: str) -> bool:
    return file.startswith(("/", "\\")) or file[1:2] == ":"


def is_launcher(code: CodeType) -> bool:
    """Return whether code is a script that an installer wrote, such as `bin/uvicorn`."""
    return code.co_name == "<module>" and uniform(code.co_filename).startswith(SCRIPTS)


@lru_cache(FILES)
def lies_installed(file: str) -> bool:
    """Return whether a file, or what its links lead to, lies where installers put things.

    One is enough: some installers link from site-packages to files of their cache.
    """
    return any(
        place.startswith(INSTALLED) or not PACKAGES.isdisjoint(place.split("/"))
        for place in (uniform(file), uniform(os.path.realpath(file)))
    )


def uniform(file: str) -> str:
    """Return a path whose spelling can be compared."""
    return os.path.normcase(file).replace("\\", "/")


def _directories(*paths: str) -> tuple[str, ...]:
    """Return paths as prefixes, as they are written and with their links followed."""
    written = {uniform(place) for path in paths for place in (path, os.path.realpath(path))}
    return tuple(place.rstrip("/") + "/" for place in written)


PATHS = sysconfig.get_paths()
PACKAGES = frozenset(
    ("site-packages", "dist-packages", f"python{sys.version_info[0]}{sys.version_info[1]}.zip")
)
INSTALLED = _directories(
    *(PATHS[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    os.path.dirname(os.__file__),
    os.path.dirname(os.path.dirname(__file__)),
)
SCRIPTS = _directories(PATHS["scripts"])


def imported_name(module: str) -> str:
    """Return a module's name; of `__main__` the one that `python -m` was given."""
    if module == "__main__":
        spec = module_globals(module).get("__spec__")
        return getattr(spec, "name", None) or module
    return module


def site(spot: Spot, exact: bool = True) -> Site:
    """Return a frame as a site; a comprehension is named as the function it stands in."""
    return SITES(spot.code, *spot[1:], exact)


def site_of_code(code: CodeType, module: str | None) -> Site:
    """Return a function as a site, at its `def`, where nothing is known of the line within it."""
    return FUNCTIONS(code, module)


def make_site(code: CodeType, instruction: int, line: int, module: str, exact: bool) -> Site:
    text = call_text(Spot(code, instruction, line, module))
    return Site(function_name(code, module), code.co_filename, line, text, exact)


def make_function_site(code: CodeType, module: str | None) -> Site:
    line = definition_line(code, module)
    return Site(function_name(code, module), code.co_filename, line, "", exact=False)


SITES = CodeMemo(make_site, PLACES)
FUNCTIONS = CodeMemo(make_function_site, PLACES)


def function_name(code: CodeType, module: str | None) -> str:
    """Return `module.qualname`, without comprehensions: from 3.12 on most are no frames anyway."""
    name = code_name(code, module)
    qualname = "." + code.co_qualname
    prefix = name.removesuffix(qualname)
    while qualname.endswith(COMPREHENSIONS):
        qualname = qualname.rpartition(".")[0].removesuffix(".<locals>")
    return prefix + (qualname or ".<module>")


def frames(spots: tuple[Spot, ...]) -> tuple[Frame, ...]:
    """Return a stack, outermost first."""
    return tuple(
        Frame(code_name(s.code, s.module), s.code.co_filename, s.line) for s in reversed(spots)
    )
