"""SARIF 2.1.0, the format in which tools give findings to code review.

Each cause is a rule, each finding a result. Its id is the result's fingerprint, so a finding is the
same one after its line has moved.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from loopwatch.core.causes import ROWS, CauseRow
from loopwatch.core.record_types import Frame
from loopwatch.core.safe_text import safe
from loopwatch.core.version import __version__
from loopwatch.tools.findings.finding import Finding, relative

VERSION = "2.1.0"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "SRCROOT"  # what relative paths are relative to
FINGERPRINT = "loopwatchCulprit/v1"
RULES = [row.name for row in ROWS]


def text(findings: Iterable[Finding], root: Path) -> str:
    """Return the file's content."""
    return json.dumps(document(findings, root), allow_nan=False, indent=1) + "\n"


def document(findings: Iterable[Finding], root: Path) -> dict[str, Any]:
    """Return a log of one run, JSON-ready. Files under `root` have relative addresses."""
    return {
        "$schema": SCHEMA,
        "version": VERSION,
        "runs": [
            {
                "tool": {"driver": driver()},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {ROOT: {"uri": root.resolve().as_uri().rstrip("/") + "/"}},
                "results": [result(finding, root) for finding in findings],
            }
        ],
    }


def driver() -> dict[str, Any]:
    return {
        "name": "loopwatch",
        "semanticVersion": __version__,
        "version": __version__,
        "rules": [rule(row) for row in ROWS],
    }


def rule(row: CauseRow) -> dict[str, Any]:
    return {
        "id": row.name,
        "name": "".join(part.title() for part in row.name.split("_")),
        "shortDescription": {"text": f"The event loop was held: {row.label}"},
        "fullDescription": {"text": f"The thread of the loop {row.meaning}."},
        "help": {"text": (row.remedy or "look at the stack") + "."},
        "defaultConfiguration": {"level": "warning"},
    }


def result(finding: Finding, root: Path) -> dict[str, Any]:
    message = f"{finding.told()}. {finding.advice}".strip()
    found: dict[str, Any] = {
        "ruleId": finding.cause,
        "level": finding.level,
        "kind": "fail",
        "message": {"text": safe(message[:1].upper() + message[1:])},
        "partialFingerprints": {FINGERPRINT: finding.id},
        "occurrenceCount": max(1, finding.count),
        "baselineState": "unchanged" if finding.known else "new",
        "properties": properties(finding),
    }
    if finding.cause in RULES:
        found["ruleIndex"] = RULES.index(finding.cause)
    if finding.line:
        found["locations"] = [location(finding, root)]
    if finding.stack:
        frames = [stack_frame(frame, root) for frame in reversed(finding.stack)]
        found["stacks"] = [{"message": {"text": "the longest stall"}, "frames": frames}]
    if finding.known:
        found["suppressions"] = [{"kind": "external", "justification": "in the baseline"}]
    return found


def location(finding: Finding, root: Path) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": finding.line}
    if finding.code:
        region["snippet"] = {"text": safe(finding.code)}
    return {
        "physicalLocation": {"artifactLocation": artifact(finding.file, root), "region": region},
        "logicalLocations": [{"fullyQualifiedName": safe(finding.site), "kind": "function"}],
    }


def stack_frame(frame: Frame, root: Path) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": artifact(frame.file, root)}
    if frame.line > 0:
        place["region"] = {"startLine": frame.line}
    logical = [{"fullyQualifiedName": safe(frame.function)}]
    return {"location": {"physicalLocation": place, "logicalLocations": logical}}


def artifact(file: str, root: Path) -> dict[str, Any]:
    path = relative(file, root)
    if Path(path).is_absolute():
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(path, errors="backslashreplace"), "uriBaseId": ROOT}


def properties(finding: Finding) -> dict[str, Any]:
    return {
        "count": finding.count,
        "seconds": finding.seconds,
        "longest": finding.longest,
        "victims": finding.victims,
        "lostRequestSeconds": finding.lost_request_seconds,
        "route": finding.route,
        "coroutine": finding.coroutine,
        "exact": finding.exact,
        "tests": [*finding.tests],
    }
