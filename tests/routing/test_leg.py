"""A route is put together from what each router has found."""

from typing import Any

import pytest

from loopwatch.routing.django_routes import readable
from loopwatch.routing.leg import Leg, is_catch_all, joined

MOUNT = Leg("/tenants/{tenant}", more=True, bare="/tenants/{tenant}")
ROOT = Leg("/", more=True)
CATCH_ALL = Leg("/{rest}", more=True)


@pytest.mark.parametrize(
    ("legs", "template"),
    [
        ([Leg("/a")], "/a"),
        ([MOUNT], "/tenants/{tenant}"),
        ([MOUNT, Leg("/users/<int:i>/")], "/tenants/{tenant}/users/<int:i>/"),
        ([MOUNT, MOUNT, Leg("/")], "/tenants/{tenant}/tenants/{tenant}/"),
        ([ROOT, Leg("/a")], "/a"),
        ([CATCH_ALL], "/{rest}"),
        ([CATCH_ALL, Leg("/a")], "/a"),
        ([Leg("/a"), Leg("/b")], "/a"),
        ([MOUNT, Leg("/whole/socket.io/", whole=True)], "/whole/socket.io/"),
    ],
)
def test_legs_are_joined(legs: list[Leg], template: str) -> None:
    found: Any = joined(legs)
    assert found.template == template


def test_no_legs_are_no_route() -> None:
    assert joined([]) is None


@pytest.mark.parametrize(
    "template", ["/{rest:path}", "/x/<path:rest>", "/<rest:path>", "/mounted/*", "/{rest:path}/"]
)
def test_what_takes_whatever_follows_is_a_catch_all(template: str) -> None:
    assert is_catch_all(template)
    assert not is_catch_all(template + "/more")


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        ("users/<int:i>/", "/users/<int:i>/"),
        (r"^dated/(?P<year>[0-9]{4})/$", "/dated/<year>/"),
        (r"api/^v1/(?P<slug>[\w-]+)\.json\Z", "/api/v1/<slug>.json"),
        ("", "/"),
    ],
)
def test_django_s_patterns_are_readable(pattern: str, shown: str) -> None:
    assert readable(pattern) == shown
