"""The verdict on a process of which no requests are known, and what else its report says."""

from dataclasses import replace

import pytest

from loopwatch.tools.diagnose.conditions import parse
from loopwatch.tools.diagnose.diagnosis_error import DiagnosisError
from loopwatch.tools.diagnose.outside_verdict import outside_verdict
from loopwatch.tools.diagnose.report import report
from loopwatch.tools.diagnose.report_records import Culprit, Verdict

from . import made

UNKNOWN = ("Routes are not known.",)


def verdict(*culprits: Culprit, seconds: float = 10.0, use: float | None = 0.2) -> Verdict:
    return outside_verdict(seconds, culprits, made.throughput(utilization=use))


def test_the_site_of_most_seconds_is_named() -> None:
    other = made.culprit(seconds=0.4, site=replace(made.SITE, function="shop.other"))
    found = verdict(other, made.culprit(count=4, seconds=2.0, longest=0.6))
    assert (found.kind, found.site) == ("blocked", made.SITE.function)
    assert "held 4 times by `time.sleep(0.5)` at shop.py:23: 2.00 s in all, 20 %" in found.text
    assert "not known" in found.text


def test_a_process_without_a_cpu_starved() -> None:
    assert verdict(made.culprit(cause="starved")).kind == "starved"


@pytest.mark.parametrize(
    ("seconds", "use", "kind"),
    [
        (1.0, 0.2, "not_enough_data"),
        (10.0, 0.2, "no_stalls"),
        (10.0, None, "no_stalls"),
        (10.0, 0.9, "loop_cost"),
    ],
)
def test_without_stalls(seconds: float, use: float | None, kind: str) -> None:
    assert verdict(seconds=seconds, use=use).kind == kind


def test_the_report_says_what_is_not_known_and_knows_no_lost_time() -> None:
    first, last = made.snapshot(1000.0), made.snapshot(1010.0)
    measured = replace(made.measurement(first, last), app=None, sent=None, outside=UNKNOWN)
    found = report(measured)
    assert found.target.outside
    assert found.notes[:1] == UNKNOWN
    assert not any("tails.json" in note for note in found.notes)
    with pytest.raises(DiagnosisError, match="has no lost"):
        parse("lost>1").met(found)
    assert not parse("stall>0.1").met(replace(found, culprits=()))
