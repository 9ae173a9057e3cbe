"""Which template a path is an example of."""

import pytest

from loopwatch.tools.diagnose.matching import matched

TEMPLATES = ("/", "/users/{id}", "/users/me", "/files/{path}", "/a.b/{x}/c", "/static")


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/", "/"),
        ("/users/7", "/users/{id}"),
        ("/users/7?full=1", "/users/{id}"),
        ("/users/me", "/users/me"),
        ("/users/a%20b", "/users/{id}"),
        ("/users/", None),
        ("/files/a/b/c", "/files/{path}"),
        ("/a.b/1/c", "/a.b/{x}/c"),
        ("/aXb/1/c", None),
        ("/nowhere", None),
    ],
)
def test_template_of_a_path(path: str, template: str | None) -> None:
    assert matched(path, TEMPLATES) == template
