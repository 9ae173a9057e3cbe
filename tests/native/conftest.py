"""Tests of the compiled twin begin requests by hand: none of them lasts beyond its test."""

from collections.abc import Iterator

import pytest

from loopwatch.core.request import REQUEST

from .made import a_request


@pytest.fixture(autouse=True)
def _no_request_lasts() -> Iterator[None]:
    ended = a_request()
    ended.scope = None
    token = REQUEST.set(ended)
    yield
    REQUEST.reset(token)
