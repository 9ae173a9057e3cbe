"""`loopwatch grafana`: dashboards, alert rules, runbooks, and the configuration to load them."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections import Counter
from pathlib import Path

from loopwatch.core.safe_text import safe
from loopwatch.tools.cli import folder
from loopwatch.tools.grafana import provisioning
from loopwatch.tools.grafana.shipped import shipped, with_runbooks_at

NEXT = """\
Prometheus  load {folder}/prometheus.yml, or copy its entries into your own:
            the app's address, and rule_files {folder}/rules/*.yml
Grafana     copy {folder}/provisioning into /etc/grafana, and restart Grafana;
            or import the dashboards one by one: Dashboards, New, Import
Then        open /d/loopwatch-overview in Grafana
"""


def grafana(arguments: Namespace) -> None:
    """Write the folder; raises CommandError if it cannot."""
    there = Path(os.path.abspath(arguments.folder))
    texts = contents(
        mounted_at=getattr(arguments, "mounted_at", str(there)),
        prometheus=arguments.prometheus,
        target=arguments.target,
        runbooks=getattr(arguments, "runbooks", None),
        traces=getattr(arguments, "traces", None),
    )
    folder.write(there, texts, arguments.force)
    shown = safe(str(there))
    sys.stdout.write(f"loopwatch: wrote {summary(texts)} into {shown}\n\n")
    sys.stdout.write(NEXT.format(folder=shown))


def contents(
    *, mounted_at: str, prometheus: str, target: str, runbooks: str | None, traces: str | None
) -> dict[str, str]:
    """Return the text of each file by its path in the folder."""
    texts = shipped()
    if runbooks is not None:
        for path in texts:
            if path.startswith("rules/"):
                texts[path] = with_runbooks_at(runbooks, texts[path])
    dashboards = provisioning.dashboards(f"{mounted_at.rstrip('/')}/dashboards")
    return texts | {
        "provisioning/datasources/loopwatch.yml": provisioning.datasource(prometheus, traces),
        "provisioning/dashboards/loopwatch.yml": dashboards,
        "prometheus.yml": provisioning.scraping(target),
    }


def summary(texts: dict[str, str]) -> str:
    counts = Counter(path.partition("/")[0] for path in texts)
    return ", ".join(f"{path} ({count})" for path, count in counts.items())
