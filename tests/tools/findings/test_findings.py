"""Ids, SARIF files and annotations, from findings made by hand."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from loopwatch.core.causes import CAUSES
from loopwatch.core.plain import plain
from loopwatch.tools.findings import github_annotations as github
from loopwatch.tools.findings import sarif
from loopwatch.tools.findings.finding import Finding, merged, read
from loopwatch.tools.findings.fingerprint import culprit_id
from tests.tools.findings.odd import FINDING, ODD
from tests.tools.findings.sarif_form import faults

ROOT = Path("/srv/shop")


def document(*findings: Finding) -> Any:
    return json.loads(sarif.text(findings, ROOT))


def test_an_id_is_the_documented_hash() -> None:
    whole = sha256(b"/orders/{id}\nshop.orders.total\ncpu").hexdigest()
    assert culprit_id("/orders/{id}", "shop.orders.total", "cpu", "shop.other") == whole[:16]
    assert culprit_id("_NONE", "f", "cpu") == culprit_id(None, "f", "cpu")
    assert culprit_id(None, "_NONE", "cpu", "shop.main") == culprit_id(None, "shop.main", "cpu")


def test_ids_of_this_release_are_those_of_the_ones_to_come() -> None:
    """Whoever changes this breaks everybody's baselines."""
    assert culprit_id("/users/{id}", "shop.users.load", "blocking_call") == "dbf55835d37df45e"


def test_a_document_has_the_form_of_sarif() -> None:
    assert faults(document()) == []
    assert faults(document(FINDING, ODD, replace(FINDING, file="", line=0, stack=()))) == []


def test_the_check_of_the_form_finds_faults() -> None:
    whole = document(FINDING)
    whole["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    whole["runs"][0]["results"][0]["ruleIndex"] = 2
    del whole["runs"][0]["tool"]["driver"]["name"]
    assert len(faults(whole)) == 3


def test_a_result_names_place_rule_and_id() -> None:
    (run,) = document(FINDING)["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [*CAUSES]
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "src/shop/orders.py", "uriBaseId": "SRCROOT"}
    assert place["region"] == {"startLine": 21, "snippet": {"text": "requests.get(url)"}}
    assert result["partialFingerprints"] == {"loopwatchCulprit/v1": FINDING.id}
    assert (result["ruleId"], result["level"], result["baselineState"]) == (
        "blocking_call",
        "warning",
        "new",
    )


def test_a_known_finding_is_suppressed_and_one_outside_is_whole() -> None:
    result = document(ODD)["runs"][0]["results"][0]
    assert result["suppressions"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert uri == {"uri": "file:///elsewhere/%C3%BC%20b.py"}
    assert not any(ord(character) < 32 for character in result["message"]["text"])


def test_an_annotation_stands_at_the_line() -> None:
    (line,) = github.commands([FINDING], ROOT)
    assert line == (
        "::warning file=src/shop/orders.py,line=21,title=loopwatch%3A blocking call::"
        "the event loop was held for 0.400 s by requests.get(url): blocking call "
        "(GET /orders/{id}), 3 times. Use httpx."
    )


def test_an_annotation_cannot_begin_another_one() -> None:
    odd = replace(ODD, known=False, file="/srv/shop/a,b:c.py")
    (line,) = github.commands([odd], ROOT)
    assert line.startswith("::notice file=a%2Cb%3Ac.py,line=21,")
    assert "\n" not in line
    assert "\r" not in line
    assert "100 %25 of it" in line


def test_known_findings_are_no_annotations_and_there_is_a_bound() -> None:
    assert [*github.commands([ODD], ROOT)] == []
    assert len([*github.commands([FINDING] * 60, ROOT)]) == github.MOST


@pytest.mark.parametrize(
    ("checkout", "folder"), [(None, "/w/r/sub"), ("/w/r", "/w/r"), ("/other", "/w/r/sub")]
)
def test_paths_are_those_of_the_checkout(checkout: str | None, folder: str) -> None:
    environment = {"GITHUB_WORKSPACE": checkout} if checkout else {}
    assert github.repository(environment, Path("/w/r/sub")) == Path(folder)


def test_findings_of_one_place_become_one() -> None:
    longer = replace(FINDING, longest=0.5, tests=("other",), level="error", advice="longer")
    (one,) = merged([FINDING, longer])
    assert (one.count, one.longest, one.level, one.advice) == (6, 0.5, "error", "longer")
    assert one.tests == (*FINDING.tests, "other")
    assert len(merged([FINDING, replace(FINDING, line=22), replace(FINDING, known=True)])) == 3


def test_a_finding_is_the_same_after_json() -> None:
    assert read(json.loads(json.dumps(plain(FINDING)))) == FINDING
