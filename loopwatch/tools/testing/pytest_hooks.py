"""What pytest calls while loopwatch watches its tests. Registered once somebody asks for it."""

from __future__ import annotations

from collections.abc import Generator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from loopwatch.core.guard import guarded
from loopwatch.core.plain import plain
from loopwatch.core.record_types import Stall
from loopwatch.tools.findings.finding import of_stall
from loopwatch.tools.testing import baseline, debugger, settings
from loopwatch.tools.testing.own_call import is_async
from loopwatch.tools.testing.results import Results
from loopwatch.tools.testing.shown_frames import raise_at
from loopwatch.tools.testing.stall_message import message
from loopwatch.tools.testing.watched_test import WatchedTest

MARK = FIXTURE = "loopwatch"
TEST = pytest.StashKey[WatchedTest]()
ROWS = pytest.StashKey[list[dict[str, Any]]]()


class LoopStalled(pytest.fail.Exception):  # type: ignore[name-defined,misc]
    """A test held its event loop for longer than it may."""

    __module__ = "builtins"  # as pytest's own outcomes: its name is shown alone


class Hooks:
    """The plugin at work."""

    def __init__(self, config: pytest.Config, run: settings.Settings) -> None:
        self.config, self.settings = config, run
        self.results = Results(run, config.rootpath)
        self.known = known_places(run)
        import_loops()
        self.off = debugger.is_active() or bool(
            config.getoption("usepdb", False) or config.getoption("trace", False)
        )
        self.current: WatchedTest | None = None
        self.written: list[str] = []  # sentences on files

    def pytest_report_header(self) -> str:
        if self.off:
            return "loopwatch: off, since a debugger is active"
        if self.settings.seconds is None:
            return "loopwatch: tests that ask for it may not hold their loop"
        return f"loopwatch: no test may hold its loop for {self.settings.seconds:g} s"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Refuse marks that say what cannot be, before any test runs."""
        for item in items:
            try:
                self.of(item)
            except (TypeError, ValueError) as error:
                raise pytest.UsageError(f"{item.nodeid}: {error}") from error

    def of(self, item: pytest.Item) -> settings.TestSettings | None:
        asks = FIXTURE in getattr(item, "fixturenames", ())
        return settings.of_test(self.settings, item.iter_markers(MARK), is_async(item), asks)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """The fixture is set up before the call, so what it returns must exist."""
        wanted = None if self.off else self.of(item)
        if wanted is not None:
            self.current = item.stash[TEST] = WatchedTest(item, wanted)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        __tracebackhide__ = True
        test = item.stash.get(TEST, None)
        if test is None:
            return (yield)
        test.begin()
        failed = True
        try:
            result = yield
            failed = bool(getattr(item, "_excinfo", None))  # unittest keeps them there
        finally:
            test.end()
            if (blamed := self.blamed(item, test)) and failed:  # tell of it beside its own failure
                item.add_report_section("call", "loopwatch", self.text(blamed, test))
        if blamed and not failed:
            raise_at(blamed[0], test.first_line(), LoopStalled(self.text(blamed, test)))
        return result

    def text(self, blamed: list[Stall], test: WatchedTest) -> str:
        return message(blamed, test.settings.limit, self.config.rootpath)

    def blamed(self, item: pytest.Item, test: WatchedTest) -> list[Stall]:
        """Return the stalls for which a test fails; note them and those of the baseline."""
        self.results.debugged += test.debugged
        blamed, rows = [], []
        for stall in test.charged():
            finding = of_stall(stall, "error", item.nodeid)
            if not test.settings.judged:
                finding = of_stall(stall, "warning", item.nodeid)
            elif self.settings.update_baseline or baseline.place_of(finding) in self.known:
                finding = of_stall(stall, "note", item.nodeid, known=True)
            else:
                blamed.append(stall)
            rows.append(plain(finding))
        item.stash[ROWS] = rows
        return blamed

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call" and (rows := item.stash.get(ROWS, None)):
            report.__dict__["loopwatch"] = rows  # as JSON: it may come from another process
        return report

    def pytest_runtest_teardown(self) -> None:
        self.current = None

    def pytest_enter_pdb(self) -> None:
        """Somebody has stopped the test by hand, to look at it."""
        if self.current is not None:
            self.current.debugged = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.results.add(report.__dict__.get("loopwatch", ()))

    def pytest_sessionfinish(self) -> None:
        """Write the files; of the processes of xdist only the one that has all results does."""
        if not hasattr(self.config, "workerinput"):
            self.written = [*self.results.write()]

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if lines := [*self.results.lines(), *self.written]:
            terminalreporter.section("loopwatch: what held the event loop")
        for line in (*lines, *self.results.annotations()):
            terminalreporter.write_line(line)


@guarded
def import_loops() -> None:
    """A watch adopts loops of uvloop only if uvloop is imported before it starts."""
    if find_spec("uvloop") is not None:
        import_module("uvloop")


def known_places(run: settings.Settings) -> frozenset[baseline.Place]:
    if run.baseline is None or run.update_baseline:
        return frozenset()
    try:
        return baseline.read(run.baseline)
    except ValueError as error:
        raise pytest.UsageError(f"loopwatch: {error}") from error
