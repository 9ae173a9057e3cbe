"""Whose requests are answered on a port that is this machine's own."""

import pytest

from loopwatch.core.hosts import is_loopback, is_welcome


@pytest.mark.parametrize(
    "header",
    [
        "",
        "localhost",
        "localhost:9464",
        "LOCALHOST.:9464",
        "127.0.0.1:9464",
        "127.8.0.1",
        "[::1]:9464",
        "[::1]",
        "admin.internal:9464",
        "Admin.Internal",
    ],
)
def test_own_names_are_welcome(header: str) -> None:
    assert is_welcome(header, "admin.internal", "127.0.0.1")


@pytest.mark.parametrize(
    "header",
    [
        "evil.example:9464",
        "localhost.evil.example",
        "127.0.0.1.evil.example:9464",
        "evil.example#localhost",
        "user@localhost",
        "localhost, evil.example",
        "10.0.0.1:9464",
        "[::2]",
        "::1",
        "[localhost",
        ":9464",
        "localhost:port",
        " ",
    ],
)
def test_others_are_not(header: str) -> None:
    assert not is_welcome(header, "127.0.0.1", "127.0.0.1")
    assert is_welcome(header, "0.0.0.0", "0.0.0.0")


def test_loopback() -> None:
    own = ["localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"]
    others = ["0.0.0.0", "::", "10.0.0.1", "example.org", ""]
    assert [host for host in (*own, *others) if is_loopback(host)] == own
