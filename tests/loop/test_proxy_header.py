"""X-Request-Start in the forms that proxies write, and in those that cannot be true."""

import pytest

from loopwatch.loop.proxy_header import AHEAD, HEADER, OLDEST, since_proxy

NOW = 1_700_000_000.5
FORMS = {  # all of them 0.25 s before now
    "nginx": b"t=1700000000.250",
    "seconds": b"1700000000.250",
    "heroku": b"1700000000250",
    "milliseconds": b"t=1700000000250",
    "fractions of milliseconds": b"1700000000250.0",
    "apache": b"t=1700000000250000",
    "microseconds": b"1700000000250000",
    "spaces around": b" t=1700000000.250\t",
}
NONSENSE = {
    "empty": b"",
    "no number": b"yesterday",
    "not a number": b"nan",
    "infinite": b"inf",
    "negative": b"-1700000000.250",
    "underscores": b"1_700_000_000",
    "exponent": b"1.7e9",
    "two values": b"t=1700000000.250, t=1700000000.300",
    "nanoseconds": b"1700000000250000000",
    "endless": b"1" * 10_000,
    "zero": b"t=0",
    "since boot": b"4711.25",
    "too old": b"t=%.3f" % (NOW - OLDEST - 1),
    "in the future": b"t=%.3f" % (NOW + AHEAD + 0.01),
}


@pytest.mark.parametrize("value", FORMS.values(), ids=FORMS)
def test_every_form_is_read(value: bytes) -> None:
    headers = [(b"host", b"here"), (HEADER, value), (b"accept", b"*/*")]
    assert since_proxy(headers, NOW) == pytest.approx(0.25, abs=1e-5)


@pytest.mark.parametrize("value", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_told_from_absence(value: bytes) -> None:
    with pytest.raises(ValueError, match="must be one Unix time") as raised:
        since_proxy([(HEADER, value)], NOW)
    assert not value or value.decode() not in str(raised.value)


def test_without_the_header_nothing_is_known() -> None:
    assert since_proxy([], NOW) is None
    assert since_proxy([(b"x-request-started", b"t=1700000000.250")], NOW) is None


def test_two_headers_are_nonsense() -> None:
    """One of them was not set by the proxy."""
    with pytest.raises(ValueError, match="2 of them came"):
        since_proxy([(HEADER, b"t=1700000000.250")] * 2, NOW)


def test_clock_a_little_ahead_is_no_time_at_all() -> None:
    assert since_proxy([(HEADER, b"t=%.3f" % (NOW + AHEAD / 2))], NOW) == 0.0


def test_oldest_that_is_believed() -> None:
    assert since_proxy([(HEADER, b"t=%.3f" % (NOW - OLDEST + 1))], NOW) == pytest.approx(OLDEST - 1)
