"""Conditions: read, checked, met."""

import pytest

from loopwatch.core.quantiles import Quantiles
from loopwatch.tools.diagnose.conditions import parse
from loopwatch.tools.diagnose.diagnosis_error import DiagnosisError
from tests.tools.diagnose.made import culprit, report, route, throughput

GOOD = route("/good", client=Quantiles(0.01, 0.02, 0.3), lost=2.0, errors=5, sent=100)
BAD = route("/bad", client=None, server=Quantiles(0.1, 0.2, 0.6), lost=1.0, method="POST")
TOLD = report(routes=(GOOD, BAD), culprits=(culprit(longest=0.5),), stall_count=10)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("p99>0.2", 0.6),
        ("p99[/good]>0.2", 0.3),
        ("p50[POST /bad] >= 0.05", 0.1),
        ("stall>0.1", 0.5),
        ("stalls<100", 10),
        ("lost>1", 3.0),
        ("lost[/good]>1", 2.0),
        ("errors[/good]>0.01", 0.05),
        ("utilization<=1", 0.1),
    ],
)
def test_met(text: str, value: float) -> None:
    condition = parse(text)
    assert condition.value(TOLD) == pytest.approx(value)
    assert condition.met(TOLD)


@pytest.mark.parametrize("text", ["p99>0.6", "p99<0.6", "stall>0.5", "stalls>10", "lost>=3.1"])
def test_not_met(text: str) -> None:
    assert not parse(text).met(TOLD)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("frob>1", "knows no 'frob', got 'frob>1': there is p50, p90, p99"),
        ("stall[/good]>1", "knows no 'stall' of one route"),
        ("p99", "must be NAME>NUMBER"),
        ("p99>soon", "must be NAME>NUMBER"),
        ("p99>nan", "must be NAME>NUMBER"),
        ("p99[]>1", "must be NAME>NUMBER"),
    ],
)
def test_what_is_none(text: str, words: str) -> None:
    with pytest.raises(DiagnosisError) as raised:
        parse(text)
    assert words in str(raised.value)


def test_route_that_the_report_does_not_have() -> None:
    with pytest.raises(DiagnosisError, match=r"got '/x': there is /good, /bad"):
        parse("p99[/x]>1").met(TOLD)


def test_what_the_report_does_not_tell() -> None:
    with pytest.raises(DiagnosisError, match="has no errors"):
        parse("errors>0.01").met(report(load=None))
    with pytest.raises(DiagnosisError, match="has no utilization"):
        parse("utilization>0.9").met(report(throughput=throughput(utilization=None)))
