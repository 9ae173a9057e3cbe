"""Annotations for GitHub Actions: workflow commands that mark a line of a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from loopwatch.core.causes import label
from loopwatch.core.safe_text import safe
from loopwatch.tools.findings.finding import Finding, Level, relative

MOST = 50  # GitHub itself shows ten of a level and step
KINDS: dict[Level, str] = {"error": "error", "warning": "warning", "note": "notice"}


def wanted(environment: Mapping[str, str]) -> bool:
    """Return whether the process runs in GitHub Actions."""
    return environment.get("GITHUB_ACTIONS") == "true"


def repository(environment: Mapping[str, str], otherwise: Path) -> Path:
    """Return the folder that paths are relative to: GitHub's checkout, if `otherwise` is in it."""
    checkout = Path(environment.get("GITHUB_WORKSPACE") or otherwise)
    return checkout if otherwise.is_relative_to(checkout) else otherwise


def commands(findings: Iterable[Finding], root: Path) -> Iterator[str]:
    """Yield a line for each finding that is new, at most `MOST`."""
    new = [finding for finding in findings if not finding.known]
    yield from (command(finding, root) for finding in new[:MOST])


def command(finding: Finding, root: Path) -> str:
    place = {"title": f"loopwatch: {label(finding.cause)}"}
    if finding.line:
        place = {"file": relative(finding.file, root), "line": str(finding.line)} | place
    given = ",".join(f"{name}={escaped(text, ':,')}" for name, text in place.items())
    near = "" if finding.exact or not finding.line else " The line is not certain."
    text = f"{finding.told()}.{near} {finding.advice}".strip()
    return f"::{KINDS[finding.level]} {given}::{escaped(text)}"


def escaped(text: str, more: str = "") -> str:
    """Return text as a workflow command takes it: it can neither end nor begin another one."""
    text = safe(text).replace("%", "%25")
    for mark in more:
        text = text.replace(mark, f"%{ord(mark):02X}")
    return text
