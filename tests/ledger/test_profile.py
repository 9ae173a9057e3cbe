"""Stalls as folded stacks and as a speedscope file."""

import json
import re

import pytest

from loopwatch.ledger.profile import folded, speedscope
from loopwatch.records import Frame, Site, Stall

SERVE = Frame("server.serve", "/srv/server.py", 9)
BAD = Frame("shop.bad", "/app/shop.py", 21)
WORSE = Frame("shop.worse", "/app/shop.py", 40)


def stall(duration: float, *stack: Frame, site: str = "shop.bad") -> Stall:
    return Stall(
        started_at=0.0, duration=duration, stack=stack, site=Site(site, "/app/shop.py", 21)
    )


def test_equal_stacks_are_one_line() -> None:
    """Durations are added up before they are rounded to milliseconds."""
    stalls = [
        stall(0.1504, SERVE, BAD),
        stall(0.1504, SERVE, BAD),
        stall(0.2, SERVE, WORSE),
        stall(0.1504, SERVE, BAD),
    ]
    assert folded(stalls) == "server.serve;shop.bad 451\nserver.serve;shop.worse 200\n"


def test_stall_without_stack_stands_under_its_site() -> None:
    assert folded([stall(0.1)]) == "shop.bad 100\n"
    told = speedscope([stall(0.1)])
    assert told["shared"]["frames"] == [{"name": "shop.bad", "file": "/app/shop.py", "line": 21}]


def test_stall_that_nobody_saw_is_kept() -> None:
    unseen = Stall(started_at=0.0, duration=0.3)
    assert folded([unseen]) == "_NONE 300\n"
    assert speedscope([unseen])["shared"]["frames"] == [{"name": "_NONE"}]


def test_weight_is_never_nothing() -> None:
    assert folded([stall(0.0001)]) == "shop.bad 1\n"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a;b", r"a\x3bb"),
        ("a\nb 7", r"a\x0ab 7"),
        ("a\rb", r"a\x0db"),
        ("a\u2028b", r"a\x2028b"),
        ("\ud800", r"\xd800"),
        ("größe.<locals>.<lambda>", "größe.<locals>.<lambda>"),
    ],
)
def test_name_cannot_break_a_line(name: str, written: str) -> None:
    text = folded([stall(0.1, Frame(name, "", 0), BAD)])
    assert text == f"{written};shop.bad 100\n"
    assert re.fullmatch(rb"[^;\r\n]+;[^;\r\n]+ \d+\n", text.encode())


def test_speedscope_has_one_sample_a_stall() -> None:
    """The file format's schema: sampled, seconds, indexes into shared frames."""
    told = speedscope([stall(0.25, SERVE, BAD), stall(0.5, SERVE, WORSE), stall(0.125)])
    [profile] = told["profiles"]
    assert told["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert profile["type"] == "sampled"
    assert profile["unit"] == "seconds"
    assert profile["samples"] == [[0, 1], [0, 2], [1]]
    assert profile["weights"] == [0.25, 0.5, 0.125]
    assert (profile["startValue"], profile["endValue"]) == (0, 0.875)
    assert [frame["name"] for frame in told["shared"]["frames"]] == [
        "server.serve",
        "shop.bad",
        "shop.worse",
    ]
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_nothing_is_a_profile_too() -> None:
    assert folded([]) == ""
    [profile] = speedscope([])["profiles"]
    assert (profile["samples"], profile["weights"], profile["endValue"]) == ([], [], 0)
