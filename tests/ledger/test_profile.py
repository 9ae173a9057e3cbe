"""Stalls as folded stacks and as a speedscope file."""

import json
import re
from types import UnionType
from typing import Any

import pytest

from loopwatch.core.record_types import Frame, Site, Stall
from loopwatch.ledger.profile import STACKS, Profile

SERVE = Frame("server.serve", "/srv/server.py", 9)
BAD = Frame("shop.bad", "/app/shop.py", 21)
WORSE = Frame("shop.worse", "/app/shop.py", 40)


def stall(duration: float, *stack: Frame, site: str = "shop.bad") -> Stall:
    return Stall(
        started_at=0.0, duration=duration, stack=stack, site=Site(site, "/app/shop.py", 21)
    )


def profile_of(*stalls: Stall) -> Profile:
    profile = Profile()
    for one in stalls:
        profile.add(one)
    return profile


def folded(*stalls: Stall) -> str:
    return profile_of(*stalls).folded()


def speedscope(*stalls: Stall) -> dict[str, Any]:
    return profile_of(*stalls).speedscope()


def test_equal_stacks_are_one_line() -> None:
    """Durations are added up before they are rounded to milliseconds."""
    stalls = [
        stall(0.1504, SERVE, BAD),
        stall(0.1504, SERVE, BAD),
        stall(0.2, SERVE, WORSE),
        stall(0.1504, SERVE, BAD),
    ]
    assert folded(*stalls) == "server.serve;shop.bad 451\nserver.serve;shop.worse 200\n"


def test_stall_without_stack_stands_under_its_site() -> None:
    assert folded(stall(0.1)) == "shop.bad 100\n"
    told = speedscope(stall(0.1))
    assert told["shared"]["frames"] == [{"name": "shop.bad", "file": "/app/shop.py", "line": 21}]


def test_stall_that_nobody_saw_is_kept() -> None:
    unseen = Stall(started_at=0.0, duration=0.3)
    assert folded(unseen) == "_NONE 300\n"
    assert speedscope(unseen)["shared"]["frames"] == [{"name": "_NONE"}]


def test_weight_is_never_nothing() -> None:
    assert folded(stall(0.0001)) == "shop.bad 1\n"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a;b", r"a\x3bb"),
        ("a\nb 7", r"a\x0ab 7"),
        ("a\rb", r"a\x0db"),
        ("a\u2028b", r"a\u2028b"),
        ("\ud800", r"\ud800"),
        ("größe.<locals>.<lambda>", "größe.<locals>.<lambda>"),
    ],
)
def test_name_cannot_break_a_line(name: str, written: str) -> None:
    text = folded(stall(0.1, Frame(name, "", 0), BAD))
    assert text == f"{written};shop.bad 100\n"
    assert re.fullmatch(rb"[^;\r\n]+;[^;\r\n]+ \d+\n", text.encode())


def test_speedscope_has_one_sample_a_stack() -> None:
    """In seconds, however many stalls there were."""
    told = speedscope(
        stall(0.125, SERVE, BAD), stall(0.5, SERVE, WORSE), stall(0.125), stall(0.125, SERVE, BAD)
    )
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
    assert folded() == ""
    [profile] = speedscope()["profiles"]
    assert (profile["samples"], profile["weights"], profile["endValue"]) == ([], [], 0)


def many(number: int) -> tuple[Stall, ...]:
    return tuple(stall(0.25, SERVE, Frame(f"shop.f{n}", "/app/shop.py", n)) for n in range(number))


def test_stacks_beyond_the_bound_share_one() -> None:
    """No second is lost, and what is told apart stays so."""
    profile = profile_of(*many(STACKS + 40), *many(8))
    assert profile.overflow == 40
    lines = profile.folded().splitlines()
    assert STACKS == 1024
    assert len(lines) == STACKS + 1
    assert "_OTHER 10000" in lines
    assert lines.count("server.serve;shop.f0 500") == 1
    assert profile.speedscope()["profiles"][0]["endValue"] == 0.25 * (STACKS + 48)


def test_folded_stacks_are_what_flamegraph_pl_reads() -> None:
    """A stack, a blank, a count; the perl script splits at the last blank."""
    text = folded(*many(3), stall(0.1, Frame("a b", "", 0), BAD))
    for line in text.splitlines():
        match = re.fullmatch(r"(?P<stack>.*)\s+?(?P<count>\d+(?:\.\d*)?)", line)
        assert match is not None
        assert all(match["stack"].split(";"))
        assert int(match["count"]) >= 1


def check(value: Any, rule: Any) -> None:
    """Hold a value against a rule: a type, a constant, or those of a dict's or list's items.

    A dict's `?` names may be missing, and there are no others.
    """
    if isinstance(rule, dict):
        assert isinstance(value, dict)
        assert value.keys() <= {name.removesuffix("?") for name in rule}
        for name, inner in rule.items():
            if name in value or not name.endswith("?"):
                check(value[name.removesuffix("?")], inner)
    elif isinstance(rule, list):
        assert isinstance(value, list)
        for item in value:
            check(item, rule[0])
    elif isinstance(rule, type | UnionType):
        assert isinstance(value, rule)
        assert not isinstance(value, bool)
    else:
        assert value == rule


SCHEMA = {  # of a speedscope file with sampled profiles
    "$schema": "https://www.speedscope.app/file-format-schema.json",
    "shared": {"frames": [{"name": str, "file?": str, "line?": int, "col?": int}]},
    "profiles": [
        {
            "type": "sampled",
            "name": str,
            "unit": "seconds",
            "startValue": int | float,
            "endValue": int | float,
            "samples": [[int]],
            "weights": [int | float],
        }
    ],
    "name?": str,
    "activeProfileIndex?": int,
    "exporter?": str,
}


def test_speedscope_files_obey_the_schema() -> None:
    stalls = (*many(9), stall(0.3), Stall(started_at=0.0, duration=0.2))
    told = json.loads(json.dumps(speedscope(*stalls), allow_nan=False))
    check(told, SCHEMA)
    frames = told["shared"]["frames"]
    for profile in told["profiles"]:
        assert len(profile["samples"]) == len(profile["weights"])
        assert all(0 <= n < len(frames) for sample in profile["samples"] for n in sample)
        assert all(weight > 0 for weight in profile["weights"])
        assert profile["endValue"] - profile["startValue"] == pytest.approx(sum(profile["weights"]))
    assert 0 <= told["activeProfileIndex"] < len(told["profiles"])
    assert len({json.dumps(frame) for frame in frames}) == len(frames)


@pytest.mark.parametrize(
    "wrong", [{"unit": "s"}, {"weights": ["1"]}, {"samples": [["0"]]}, {"more": 1}, {"type": "x"}]
)
def test_the_schema_s_check_can_fail(wrong: dict[str, Any]) -> None:
    told = speedscope(stall(0.3))
    told["profiles"][0] |= wrong
    with pytest.raises(AssertionError):
        check(told, SCHEMA)
