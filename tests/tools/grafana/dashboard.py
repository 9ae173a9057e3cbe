"""What the shipped dashboards ask of Prometheus."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.tools.grafana.rulebook import ROOM

DASHBOARDS = sorted((ROOM / "dashboards").glob("*.json"))


def queries(path: Path) -> Iterator[tuple[str, str]]:
    """Return title and expression of every query of a dashboard's panels and annotations."""
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    panels = list(dashboard["panels"])
    while panels:
        panel = panels.pop(0)
        panels += panel.get("panels", [])
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", []))
    for annotation in dashboard.get("annotations", {}).get("list", []):
        if "expr" in annotation:
            yield annotation["name"], annotation["expr"]


def choices(path: Path) -> Iterator[tuple[str, str]]:
    """Return name, and series, of every variable of a dashboard that is chosen from series."""
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            asked = variable["query"]
            text = asked if isinstance(asked, str) else asked["query"]
            yield variable["name"], re.findall(r"label_values\((.+), \w+\)", text)[0]
