"""A suite to be run by pytest itself."""

import pytest

from tests.tools.testing.suites import Suite


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    return Suite(pytester, monkeypatch)
