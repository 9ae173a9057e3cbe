"""The culprits of a report as findings, for SARIF and for annotations."""

from __future__ import annotations

from loopwatch.tools.diagnose.report_records import Culprit, Report
from loopwatch.tools.findings.finding import Finding

INNOCENT = ("starved",)  # causes that no line has


def findings(report: Report) -> tuple[Finding, ...]:
    """Return one finding for each culprit, the most expensive first."""
    return tuple(finding(culprit) for culprit in report.culprits)


def finding(culprit: Culprit) -> Finding:
    site = culprit.site
    return Finding(
        id=culprit.id,
        cause=culprit.cause,
        site=site.function,
        file=site.file,
        line=site.line,
        code=site.code,
        exact=site.exact,
        route=culprit.route,
        method=culprit.method,
        coroutine=culprit.coroutine,
        advice=culprit.advice,
        level="note" if culprit.cause in INNOCENT else "warning",
        count=culprit.count,
        seconds=culprit.seconds,
        longest=culprit.longest,
        victims=culprit.victims,
        lost_request_seconds=culprit.lost,
        stack=culprit.stack,
    )
