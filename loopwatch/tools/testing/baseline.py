"""The file of stalls that are known and forgiven until somebody has the time: one entry a place.

A place is a route and a site's function, whatever the line and the cause: a test must not fail
because code above a known line has moved, or because a busy machine made another cause of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loopwatch.core.version import __version__
from loopwatch.tools.findings.finding import Finding
from loopwatch.tools.findings.fingerprint import place

SCHEMA = 1
Place = tuple[str | None, str]
WRITE = "write it with --loopwatch-update-baseline"


def place_of(finding: Finding) -> Place:
    return finding.route, place(finding.site, finding.coroutine)


def read(path: Path) -> frozenset[Place]:
    """Return the places in a baseline; raises ValueError if it is none."""
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["schema"] != SCHEMA:
            raise ValueError("another schema")
        return frozenset((e["route"], e["place"]) for e in data["culprits"])
    except OSError as error:
        why = error.strerror or str(error)
        raise ValueError(f"the baseline must be a file, got {path}: {why}; {WRITE}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"the baseline must be as loopwatch writes it, schema {SCHEMA}, got {path}; {WRITE}"
        ) from error


def text(findings: Iterable[Finding]) -> str:
    """Return the file's content, sorted so that two of them can be compared line by line."""
    entries: dict[Place, dict[str, Any]] = {}
    for f in findings:
        entry = {"route": f.route, "place": place_of(f)[1], "id": f.id, "cause": f.cause}
        entries.setdefault(place_of(f), entry)
    rows = sorted(entries.values(), key=lambda e: (e["place"], e["route"] or ""))
    data = {"schema": SCHEMA, "made_by": __version__, "culprits": rows}
    return json.dumps(data, indent=1) + "\n"
