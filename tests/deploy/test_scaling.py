"""Examples in docs/scaling.md are what Prometheus accepts; its sums are those of the code."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from loopwatch.core.histogram import SECONDS_EDGES
from loopwatch.exporters.metrics import GC_PAUSE, METRICS
from loopwatch.ledger.label_table import LABELS
from loopwatch.ledger.loop_time_table import LINES
from loopwatch.ledger.request_table import ROUTES
from loopwatch.ledger.stall_table import ROWS, SITES
from loopwatch.ledger.step_table import COROUTINES
from loopwatch.ledger.wait_table import ROWS as WAITS

from ..conftest import CHECKOUT

TEXT = (CHECKOUT / "docs" / "scaling.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.S)
PER_HISTOGRAM = len(SECONDS_EDGES) + 3  # +Inf, count, sum


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "example"), [("config", EXAMPLES[0]), ("rules", EXAMPLES[1])])
def test_examples_are_accepted(kind: str, example: str, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "CI must have promtool"
        pytest.skip("promtool is not installed")
    file = tmp_path / "example.yml"
    file.write_text(example, encoding="utf-8")
    command = [promtool, "check", kind, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_bounds_are_those_of_the_code() -> None:
    bounds = {
        "request_seconds": (ROUTES + 1) * PER_HISTOGRAM,
        "request_time_seconds_total": (ROUTES + 1) * 5,
        "threadpool_wait_seconds_total": ROUTES + 1,
        "step_seconds": (COROUTINES + 2) * PER_HISTOGRAM,
        "coroutine_seconds": (LABELS + 1) * PER_HISTOGRAM,
        "stall_seconds": (ROWS + 1) * PER_HISTOGRAM,
        "lost_request_seconds_total": ROWS + 1,
        "wait_seconds_total": WAITS + 1,
        "loop_busy_seconds_total": LINES + 1,
        "allowed_stall_seconds": (SITES + 1) * PER_HISTOGRAM,
    }
    for name, bound in bounds.items():
        (row,) = re.findall(rf"^\| `loopwatch_{name}` \|.*$", TEXT, flags=re.M)
        assert f"{bound:,} |" in row, name
    rest = 75
    assert abs(sum(bounds.values()) + rest - 33_950) < 50
    assert f"{len(GC_PAUSE.edges) + 3} series, for each of 3 generations" in TEXT


def test_dropped_metrics_exist() -> None:
    """A regular expression that matches nothing drops nothing, and nobody is told."""
    names = [
        metric.prometheus_name + suffix
        for metric in METRICS
        for suffix in (("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",))
    ]
    patterns = re.findall(r"regex: (loopwatch_[^;\n]+)", EXAMPLES[0])
    assert len(patterns) == 5
    for pattern in patterns:
        assert any(re.fullmatch(pattern, name) for name in names), pattern
    edges = re.findall(r"bucket;(\S+)", EXAMPLES[0])[0]
    kept = [str(edge) for edge in SECONDS_EDGES if not re.fullmatch(edges, str(edge))]
    assert kept == ["0.1", "0.25", "0.5", "1.0"]
