"""What programs read: the schemas are those of the records, and real output is valid."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from docs.json_schemas import SCHEMAS, text
from loopwatch.tools.cli.diagnose_command import json_text, sarif_text
from loopwatch.tools.diagnose.report_records import Report
from loopwatch.tools.testing import findings_json
from tests.tools.diagnose.made import culprit, prediction, report
from tests.tools.findings.odd import FINDING, ODD
from tests.tools.findings.sarif_form import faults

PATHS = {record: path for path, (record, _) in SCHEMAS.items()}


def validator(record: type) -> Any:
    schema = json.loads(PATHS[record].read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_the_schema_is_that_of_the_records(path: Path) -> None:
    """If not: python -m docs.json_schemas."""
    assert path.read_text("utf-8") == text(*SCHEMAS[path])


def test_reports_are_valid() -> None:
    made = report(culprits=(culprit(predictions=(prediction(0.5, 0.1),)),), dropped={"labels": 3})
    validator(Report).validate(json.loads(json_text(made)))


@pytest.mark.parametrize(
    "change", [{"schema": 2}, {"duration": "long"}, {"culprits": [{}]}, {"verdict": None}]
)
def test_what_is_no_report_is_not(change: dict[str, Any]) -> None:
    data = json.loads(json_text(report())) | change
    assert not validator(Report).is_valid(data)


def test_findings_of_tests_are_valid(tmp_path: Path) -> None:
    data = json.loads(findings_json.text([FINDING, ODD], 0.1, tmp_path))
    validator(findings_json.TestRun).validate(data)
    assert not validator(findings_json.TestRun).is_valid(data | {"findings": [{"id": 3}]})


def test_source_lines_stand_around_the_line(tmp_path: Path) -> None:
    from dataclasses import replace

    file = tmp_path / "shop.py"
    file.write_text("".join(f"line_{n}\n" for n in range(1, 30)))
    found = findings_json.found(replace(FINDING, file=str(file)), tmp_path)
    assert found.file == "shop.py"
    assert [(line.number, line.text) for line in found.source] == [
        (n, f"line_{n}") for n in range(18, 25)
    ]


def test_culprits_of_a_report_are_findings() -> None:
    made = report(culprits=(culprit(id="0123456789abcdef"),))
    data = json.loads(sarif_text(made))
    assert faults(data) == []
    (result,) = data["runs"][0]["results"]
    assert result["partialFingerprints"] == {"loopwatchCulprit/v1": "0123456789abcdef"}
