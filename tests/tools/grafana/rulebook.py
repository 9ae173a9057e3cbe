"""What is in the shipped rules, and which metrics and labels an expression names."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.conftest import CHECKOUT

ROOM = CHECKOUT / "loopwatch" / "tools" / "grafana"
RULES = sorted((ROOM / "rules").glob("*.yml"))
RUNBOOKS = sorted((ROOM / "runbooks").glob("*.md"))

METRIC = re.compile(r"(?<![\w:])(loopwatch_[a-z_]+)(?![\w:(])(?:\{([^}]*)\})?")
RECORDED = re.compile(r"\b([a-z_]+:loopwatch_\w+:\w+)(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\b(?:by|on|group_left|without|ignoring) \(([^)]*)\)")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


def rules(kind: str) -> list[dict[str, Any]]:
    """Return the rules of a kind, `alert` or `record`, of all files."""
    books = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULES]
    return [r for book in books for g in book["groups"] for r in g["rules"] if kind in r]


def metrics(text: str) -> Iterator[tuple[str, set[str]]]:
    """Return the metrics of loopwatch that a text names, each with the labels it asks of it."""
    for name, matchers in METRIC.findall(text):
        yield name, set(MATCHER.findall(matchers))


def recorded(text: str) -> Iterator[tuple[str, set[str]]]:
    """Return the recorded series that a text names, each with the labels it asks of it."""
    for name, matchers in RECORDED.findall(text):
        yield name, set(MATCHER.findall(matchers))


def groupings(text: str) -> set[str]:
    """Return the labels that a text groups or joins by."""
    return {label.strip() for found in GROUPING.findall(text) for label in found.split(",")} - {""}
