"""What a run has found, wherever its tests ran: the summary at its end, and the files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from loopwatch.core.causes import label
from loopwatch.core.safe_text import safe
from loopwatch.tools.findings import github_annotations, sarif
from loopwatch.tools.findings.finding import Finding, merged, read, relative
from loopwatch.tools.findings.fingerprint import place
from loopwatch.tools.testing import baseline, findings_json
from loopwatch.tools.testing.settings import Settings

MOST = 10  # places in the summary
KEPT = 5_000  # findings; what comes after them is counted
STATES = {"error": "failed", "warning": "not failed", "note": "in the baseline"}


class Results:
    """Findings of all tests, of other processes too."""

    def __init__(self, settings: Settings, root: Path) -> None:
        self.settings, self.root = settings, root
        self.checkout = github_annotations.repository(os.environ, root)
        self.dropped = self.debugged = 0
        self._found: list[Finding] = []

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in what a report carries."""
        for row in rows:
            if len(self._found) < KEPT:
                self._found.append(read(row))
            else:
                self.dropped += 1

    def findings(self) -> list[Finding]:
        return merged(self._found)

    def lines(self) -> Iterator[str]:
        """Yield the summary: the slowest places first."""
        found = self.findings()
        for finding in found[:MOST]:
            yield self.line(finding)
        if len(found) > MOST:
            yield f"and {len(found) - MOST} more places"
        if self.dropped:
            yield f"{self.dropped} stalls beyond {KEPT} are in no file"
        if self.debugged:
            yield f"{self.debugged} tests were not judged: a debugger was active"

    def line(self, f: Finding) -> str:
        where = f"{relative(f.file, self.root)}:{f.line}" if f.line else "many places"
        name = place(f.site, f.coroutine)
        times = f"{f.count} time" + ("s" if f.count > 1 else "")
        tests = f.tests[0] + (f" and {len(f.tests) - 1} more" if len(f.tests) > 1 else "")
        state = STATES[f.level]
        parts = (f"{f.seconds:7.3f} s", times, where, name, label(f.cause), state, tests)
        return safe("  ".join(parts))

    def write(self) -> Iterator[str]:
        """Write the files that are wanted; yield a sentence for each, and for what went wrong."""
        found, wanted = self.findings(), self.settings
        if wanted.sarif is not None:
            yield put("SARIF", wanted.sarif, sarif.text(found, self.checkout))
        if wanted.json is not None:
            yield put("JSON", wanted.json, findings_json.text(found, wanted.seconds, self.root))
        if wanted.baseline is not None and wanted.update_baseline:
            yield put("the baseline", wanted.baseline, baseline.text(found))

    def annotations(self) -> Iterator[str]:
        if self.settings.github:
            yield from github_annotations.commands(self.findings(), self.checkout)


def put(what: str, path: Path, text: str) -> str:
    """Write a file, and return what is to be said of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        return f"{what} was not written to {path}: {error.strerror or error}"
    return f"{what} written to {path}"
