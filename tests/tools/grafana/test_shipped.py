"""The files that come with loopwatch."""

import pytest

from loopwatch.tools.grafana.shipped import shipped, with_runbooks_at

BASE = "https://wiki.example/loopwatch"


def test_dashboards_are_shipped_by_their_paths() -> None:
    paths = {path for path in shipped() if path.startswith("dashboards/")}
    assert paths == {
        "dashboards/loopwatch-overview.json",
        "dashboards/loopwatch-diagnosis.json",
    }


def test_nothing_else_is_shipped() -> None:
    kinds = {(path.partition("/")[0], path.rpartition(".")[2]) for path in shipped()}
    assert kinds <= {("dashboards", "json"), ("rules", "yml"), ("runbooks", "md")}


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("  runbook_url: runbooks/A.md", f"  runbook_url: {BASE}/runbooks/A.md"),
        ('  runbook_url: "runbooks/A.md"', f'  runbook_url: "{BASE}/runbooks/A.md"'),
        ("  runbook_url: https://x/runbooks/A.md", "  runbook_url: https://x/runbooks/A.md"),
        ("  description: see runbooks/A.md", "  description: see runbooks/A.md"),
    ],
)
def test_relative_runbooks_get_a_base(line: str, becomes: str) -> None:
    assert with_runbooks_at(BASE, f"a:\n{line}\n") == f"a:\n{becomes}\n"
