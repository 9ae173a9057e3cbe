"""`python -m deploy.dashboards`: write the shipped JSON."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.dashboards import diagnosis, overview
from deploy.dashboards.board import DIAGNOSIS, OVERVIEW

SHIPPED = Path(__file__).resolve().parents[2] / "loopwatch" / "tools" / "grafana" / "dashboards"
COMMAND = "make dashboards"


def dashboards() -> dict[str, str]:
    """Return the JSON of each dashboard by its file name."""
    return {
        f"{OVERVIEW}.json": overview.dashboard(),
        f"{DIAGNOSIS}.json": diagnosis.dashboard(),
    }


def main() -> None:
    for name, text in dashboards().items():
        SHIPPED.joinpath(name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{SHIPPED / name}\n")


if __name__ == "__main__":
    main()
