"""How often the machine disturbed the tests of one run of pytest: told at its end, bounded in CI.

Else nobody would see that a test passes only because it is begun again. The counts travel in the
reports of the tests, since with `-n` other processes run them.
"""

import os
from collections.abc import Generator

import pytest

from .calm import BUSY, DISTURBED

BUDGET = 40  # repetitions in CI, a run: 2 cores at rest needed 0 to 2, busy ones 12


class Tally:
    """A plugin of pytest: counts what tests/calm.py begins again, and what is skipped for it."""

    def __init__(self, config: pytest.Config) -> None:
        self.is_worker = hasattr(config, "workerinput")  # of xdist: the one who started it counts
        self.repetitions = 0
        self.repeated: set[str] = set()
        self.skipped: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self,
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if DISTURBED:
            report.user_properties.append(("disturbed", len(DISTURBED)))
            DISTURBED.clear()
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        again = sum(int(str(n)) for name, n in report.user_properties if name == "disturbed")
        if again:
            self.repetitions += again
            self.repeated.add(report.nodeid)
        if report.skipped and BUSY in str(report.longrepr):
            self.skipped.add(report.nodeid)

    @property
    def over_budget(self) -> bool:
        in_ci = os.environ.get("CI") == "true"
        return in_ci and not self.is_worker and self.repetitions > BUDGET

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.over_budget and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(
            f"{len(self.repeated)} tests were begun again, {len(self.skipped)} skipped,"
            f" because the machine was busy ({self.repetitions} repetitions;"
            f" CI bears {BUDGET})"
        )
        if self.over_budget:
            terminalreporter.write_line("FAILED: too many repetitions", red=True)
