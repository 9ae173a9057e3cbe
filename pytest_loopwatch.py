"""loopwatch's plugin for pytest: a test that holds its event loop too long fails.

It is off until asked: until then nothing else of loopwatch is imported. `docs/pytest.md` says how
to use it.
"""

from __future__ import annotations

import copy
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

NAME = "loopwatch-hooks"  # of the plugin that does the work
BARE, LIMIT = "--loopwatch", "on"
FILES = ("loopwatch_sarif", "loopwatch_json", "loopwatch_update_baseline")
MARKER = (
    "loopwatch(slow_callback_duration=0.1, allow=[...]): the test fails if it holds its event loop "
    "for so many seconds; loopwatch(False): it does not"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("loopwatch", "tests that hold their event loop")
    group.addoption(
        BARE,
        nargs="?",
        const=LIMIT,
        metavar="SECONDS",
        help="fail every asynchronous test that holds its event loop for so long (default: 0.1); "
        "off: watch none, marked or not",
    )
    group.addoption(
        "--loopwatch-allow",
        action="append",
        default=[],
        metavar="PATTERN",
        help="sites that may hold the loop, such as 'shop.reports.*'; repeat it as needed",
    )
    group.addoption(
        "--loopwatch-baseline", metavar="FILE", help="places that are known to hold the loop"
    )
    group.addoption(
        "--loopwatch-update-baseline",
        action="store_true",
        help="fail no test, and write what holds the loop to that file",
    )
    group.addoption("--loopwatch-sarif", metavar="FILE", help="write what held the loop as SARIF")
    group.addoption("--loopwatch-json", metavar="FILE", help="write what held the loop as JSON")
    group.addoption(
        "--loopwatch-github",
        action="store_true",
        help="print annotations for GitHub Actions (default: if GITHUB_ACTIONS is true)",
    )
    parser.addini("loopwatch", "as --loopwatch: seconds, or off", default="")
    parser.addini("loopwatch_allow", "as --loopwatch-allow", type="linelist", default=[])
    parser.addini("loopwatch_baseline", "as --loopwatch-baseline", default="")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, object, object]:
    """Let `--loopwatch tests/` mean what it says: a path is no number of seconds."""
    until = args.index("--") if "--" in args else len(args)
    bare = [n for n in range(until) if args[n] == BARE and not is_limit(args[n + 1 : n + 2])]
    for n in bare:
        args[n] = f"{BARE}={LIMIT}"
    if bare:  # read again, now with that path: which conftest.py there is depends on it
        config: Any = early_config
        before = config.known_args_namespace
        known: Any = parser.parse_known_args(args, copy.copy(config.option))
        known.confcutdir = before.confcutdir
        config.known_args_namespace = known
    return (yield)


def is_limit(following: list[str]) -> bool:
    """Return whether the argument after a bare option belongs to it."""
    word = "".join(following).lower()
    return word in ("on", "off") or word.replace(".", "", 1).isdigit()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    if is_off(config):
        return
    if limit_text(config) is not None:
        start(config)
    else:
        config.pluginmanager.register(Late(config), "loopwatch-late")


class Late:
    """Begins as soon as a single test asks for it, by its mark or the fixture."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.hooks: Any = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.hooks is None and any(asks(item) for item in items):
            self.hooks = start(self.config)
            self.hooks.pytest_collection_modifyitems(items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """With xdist only the workers know the marks; the first report of a stall tells of it."""
        if self.hooks is None and "loopwatch" in report.__dict__:
            self.hooks = start(self.config)
            self.hooks.pytest_runtest_logreport(report)


def is_off(config: pytest.Config) -> bool:
    return (limit_text(config) or "").strip().lower() in ("off", "false", "no")


def asks(item: pytest.Item) -> bool:
    return item.get_closest_marker("loopwatch") is not None or "loopwatch" in getattr(
        item, "fixturenames", ()
    )


def limit_text(config: pytest.Config) -> str | None:
    """Return what was said of the limit; whoever wants a file of results wants them watched.

    An empty option, `--loopwatch=`, is said as well, and refused later: a variable was empty.
    """
    given = config.getoption("loopwatch")
    if given is not None:
        return str(given)
    wanted = any(map(config.getoption, FILES))
    return str(config.getini("loopwatch")) or (LIMIT if wanted else None)


def start(config: pytest.Config) -> Any:
    """Import what does the work, and have pytest call it; raises UsageError for wrong options."""
    import os

    from loopwatch.core import options
    from loopwatch.tools.findings import github_annotations
    from loopwatch.tools.testing import settings
    from loopwatch.tools.testing.pytest_hooks import Hooks

    get, text = config.getoption, limit_text(config)
    kept = config.getini("loopwatch_baseline")
    baseline = path(get("loopwatch_baseline")) or (config.rootpath / kept if kept else None)
    if get("loopwatch_update_baseline") and not baseline:
        raise pytest.UsageError(
            "--loopwatch-update-baseline must come with --loopwatch-baseline FILE, got it alone"
        )
    patterns = (*config.getini("loopwatch_allow"), *get("loopwatch_allow"))
    try:
        run = settings.Settings(
            seconds=settings.limit("--loopwatch", text) if text is not None else None,
            allow=options.site_patterns("--loopwatch-allow", patterns),
            baseline=baseline,
            update_baseline=get("loopwatch_update_baseline"),
            sarif=path(get("loopwatch_sarif")),
            json=path(get("loopwatch_json")),
            github=get("loopwatch_github") or github_annotations.wanted(os.environ),
        )
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(str(error)) from error
    hooks = Hooks(config, run)
    config.pluginmanager.register(hooks, NAME)
    return hooks


def path(text: str | None) -> Path | None:
    return Path(text).absolute() if text else None


@pytest.fixture
def loopwatch(request: pytest.FixtureRequest) -> Any:
    """The watch of this test: `stalls` has what has held the loop so far, as `Watch.stalls`."""
    hooks = request.config.pluginmanager.get_plugin(NAME)
    return getattr(hooks, "current", None) or Off()


class Off:
    """What the fixture is while loopwatch is off, or a debugger is active."""

    stalls = ()
