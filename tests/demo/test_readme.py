"""The demo's README is the table of its routes: none missing, none gone."""

import re

from fastapi.routing import APIRoute, APIWebSocketRoute

from examples.demo.app import LESSONS

from .running import CHECKOUT


def test_readme_names_every_route() -> None:
    text = (CHECKOUT / "examples/demo/README.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(?:GET|POST|WS) (/\S+)`", text))
    routes = [route for lesson in LESSONS for route in lesson.router.routes]
    kept = [route for route in routes if isinstance(route, APIRoute | APIWebSocketRoute)]
    assert told == {route.path for route in kept}


def test_every_route_says_what_loopwatch_says() -> None:
    for lesson in LESSONS:
        for route in lesson.router.routes:
            assert isinstance(route, APIRoute | APIWebSocketRoute)
            assert "loopwatch says" in (route.endpoint.__doc__ or "")
