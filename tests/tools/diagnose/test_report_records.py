"""The report as data: documented whole, and the same after JSON."""

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import pytest

from loopwatch.core import tails
from loopwatch.core.plain import plain
from loopwatch.tools.diagnose import estimate_records as estimates
from loopwatch.tools.diagnose import report_records as records
from loopwatch.tools.diagnose.diagnosis_error import DiagnosisError
from loopwatch.tools.diagnose.reading import read
from loopwatch.tools.diagnose.report_records import Kind, Report
from tests.tools.diagnose.made import culprit, prediction, report

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "diagnose-report.md"
OURS = [
    value
    for value in {**vars(records), **vars(estimates)}.values()
    if dataclasses.is_dataclass(value)
    and value.__module__ in (records.__name__, estimates.__name__)
] + [tails.Parts, tails.Tail, tails.TailBlame]


def documented(name: str) -> list[str]:
    section = DOCUMENT.read_text("utf-8").partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    return [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("record", OURS, ids=lambda record: record.__name__)
def test_every_field_is_documented(record: Any) -> None:
    assert documented(record.__name__) == [field.name for field in dataclasses.fields(record)]


def test_every_kind_of_verdict_is_documented() -> None:
    assert documented("Kinds of verdict") == [*get_args(Kind)]


def test_a_report_is_the_same_after_json() -> None:
    made = report(culprits=(culprit(predictions=(prediction(0.5, 0.1),)),), dropped={"labels": 3})
    assert read(Report, json.loads(json.dumps(plain(made))), "a report") == made


def test_unknown_fields_of_a_later_version_are_passed_over() -> None:
    data = plain(report())
    data["later"] = 1
    assert read(Report, data, "a report") == report()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verdict": None}, "a report: verdict: "),
        ({"duration": "long"}, "a report: duration: "),
        ({"routes": [{"route": "/x"}]}, "a report: routes.0.method: Field required"),
    ],
)
def test_what_is_no_report_is_told_by_its_first_wrong_field(
    change: dict[str, Any], words: str
) -> None:
    with pytest.raises(DiagnosisError) as raised:
        read(Report, plain(report()) | change, "a report")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
