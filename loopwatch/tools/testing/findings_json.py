"""The findings of a test run as JSON, for programs and agents that mend them."""

from __future__ import annotations

import json
import linecache
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from loopwatch.core.plain import plain
from loopwatch.core.version import __version__
from loopwatch.tools.findings.finding import Finding, relative

SCHEMA = 1  # grows when a field changes its meaning or is removed, not for a new field
AROUND = 3  # lines of source before, and after
LONGEST = 200  # characters of a line


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLine:
    """A line of source."""

    number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Finding):
    """A finding with what a reader without the checkout wants. `file` is as in the repository."""

    sentence: str  # what happened
    source: tuple[FoundLine, ...]  # around the line


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRun:
    """What held the loop in a run of tests."""

    __test__ = False  # pytest must not collect it

    schema: int
    made_by: str  # version of loopwatch
    slow_callback_duration: float | None  # s; None: only marked tests were watched
    failing: int  # findings for which a test fails
    findings: tuple[Found, ...]  # most seconds first


def text(findings: Sequence[Finding], limit: float | None, root: Path) -> str:
    """Return the file's content."""
    run = TestRun(
        schema=SCHEMA,
        made_by=__version__,
        slow_callback_duration=limit,
        failing=sum(finding.level == "error" for finding in findings),
        findings=tuple(found(finding, root) for finding in findings),
    )
    return json.dumps(plain(run), allow_nan=False, indent=1) + "\n"


def found(finding: Finding, root: Path) -> Found:
    given: dict[str, Any] = {f.name: getattr(finding, f.name) for f in fields(finding)}
    given["file"] = relative(finding.file, root) if finding.file else ""
    return Found(**given, sentence=finding.told(), source=source(finding))


def source(finding: Finding) -> tuple[FoundLine, ...]:
    if not finding.line:
        return ()
    lines = linecache.getlines(finding.file)
    first = max(1, finding.line - AROUND)
    shown = lines[first - 1 : finding.line + AROUND]
    return tuple(
        FoundLine(number=first + n, text=line.rstrip()[:LONGEST]) for n, line in enumerate(shown)
    )
