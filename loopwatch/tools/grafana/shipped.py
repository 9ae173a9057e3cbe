"""The files that come with loopwatch: dashboards, alert rules, runbooks."""

from __future__ import annotations

import re
from importlib.resources import files

KINDS = {"dashboards": ".json", "rules": ".yml", "runbooks": ".md"}
RUNBOOK = re.compile(r"(\brunbook_url: *[\"']?)(?=runbooks/)")


def shipped() -> dict[str, str]:
    """Return the texts by path, such as `dashboards/loopwatch-overview.json`."""
    return {
        f"{kind}/{file.name}": file.read_text("utf-8")
        for kind, ending in KINDS.items()
        if (folder := files(__package__).joinpath(kind)).is_dir()
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(ending)
    }


def with_runbooks_at(base: str, rules: str) -> str:
    """Return alert rules with links to runbooks under a base URL."""
    return RUNBOOK.sub(lambda found: f"{found[1]}{base}/", rules)
