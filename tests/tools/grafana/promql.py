"""PromQL as Grafana would send it, and what stands in it."""

from collections.abc import Iterator
from typing import NamedTuple

import promql_parser
from promql_parser import AggregateExpr, BinaryExpr, Expr, VectorSelector

RATE_INTERVAL = "7m"  # what $__rate_interval becomes: nobody writes that by hand
RANGE = "83m"


class Found(NamedTuple):
    node: Expr
    parents: tuple[Expr, ...]  # outermost first


def expanded(expr: str) -> str:
    """Return a query with the variables that stand for durations filled in."""
    return expr.replace("$__rate_interval", RATE_INTERVAL).replace("$__range", RANGE)


def nodes(expr: str) -> list[Found]:
    """Return every part of a query; raises ValueError if it is none."""
    found: list[Found] = []
    above: list[Expr] = []

    def enter(node: Expr) -> None:
        found.append(Found(node, tuple(above)))
        above.append(node)

    def leave(node: Expr) -> None:
        above.pop()

    promql_parser.walk(promql_parser.parse(expanded(expr)), enter, leave)
    return found


def selectors(expr: str) -> list[VectorSelector]:
    return [found.node for found in nodes(expr) if isinstance(found.node, VectorSelector)]


def matchers(selector: VectorSelector) -> dict[str, str]:
    """Return the labels a selector asks for, such as `{"job": '=~"$job"'}`."""
    return {m.name: str(m).removeprefix(m.name) for m in selector.matchers.matchers}


def grouped(expr: str) -> Iterator[str]:
    """Return the labels that results are grouped or joined by."""
    for node, _ in nodes(expr):
        if isinstance(node, AggregateExpr) and node.modifier is not None:
            yield from node.modifier.labels
        elif isinstance(node, BinaryExpr) and node.modifier is not None:
            if node.modifier.matching is not None:
                yield from node.modifier.matching.labels
            yield from node.modifier.group_labels or ()
