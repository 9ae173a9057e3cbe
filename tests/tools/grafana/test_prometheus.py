"""A real Prometheus scrapes a real app on each loop: every panel and every rule has data, and what
Prometheus says is what the app says of itself."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loopwatch.exporters.metrics import METRICS
from tests.tools.grafana.dashboard import DASHBOARDS, choices, queries
from tests.tools.grafana.facts import FACTS
from tests.tools.grafana.rulebook import RUNBOOKS, rules
from tests.tools.grafana.scene import JOB, Scene, scene

pytestmark = pytest.mark.slow
EMPTY: dict[str, str] = {  # expressions that may have no data, and why
    "LoopStarved": "nothing starves the app, unless the machine does",
    "Held at this moment": "no scrape falls into a hold, unless by chance",
}
RAISED = {"LoopLagHigh", "SingleSiteDominates", "ThreadPoolExhausted"}  # as bad as the app is
TIMES = {"__rate_interval": "10s", "__interval": "5s", "__range": "30s"}
TIMES |= {"__range_s": "30", "__range_ms": "30000", "__interval_ms": "5000"}
VARIABLE = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")
THRESHOLD = re.compile(r">=? [\d.]+(?: \* [\d.]+)?$", re.MULTILINE)
RESET = "resets({}[2m]) > 0"
EXACT = 1e-9  # s: Prometheus reads what it was told, to the last digit


@pytest.fixture(scope="module")
def seen() -> Iterator[Scene]:
    with scene() as what_happened:
        yield what_happened


def filled_in(expression: str, instance: str) -> str:
    """Return an expression as Grafana would send it, with one instance chosen, and all else."""
    values = TIMES | {"instance": instance}
    return VARIABLE.sub(lambda found: values.get(found[1], ".+"), expression)


def has_data(seen: Scene, expression: str) -> bool:
    return any(not math.isnan(s.value) for s in seen.prometheus.query(expression, seen.busy))


def test_every_target_is_scraped(seen: Scene) -> None:
    targets = seen.prometheus.targets()
    assert {t["labels"]["instance"] for t in targets} == set(seen.instances.values())
    assert [t["lastError"] for t in targets if t["health"] != "up"] == []


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_has_data(seen: Scene, loop: str, path: Path) -> None:
    asked = [*queries(path), *choices(path)]
    assert asked
    empty = {
        f"{title}: {expression}"
        for title, expression in asked
        if not has_data(seen, filled_in(expression, seen.instances[loop])) and title not in EMPTY
    }
    assert empty == set()


def test_every_rule_is_evaluated(seen: Scene) -> None:
    told = seen.prometheus.rules()
    assert len(told) == len(rules("alert")) + len(rules("record"))
    assert {
        rule["name"]: rule.get("lastError", "") for rule in told if rule["health"] != "ok"
    } == {}


@pytest.mark.parametrize("rule", rules("record"), ids=lambda rule: rule["record"])
def test_every_recorded_series_has_data(seen: Scene, loop: str, rule: dict[str, Any]) -> None:
    level = rule["record"].partition(":")[0]
    chosen = f'instance="{seen.instances[loop]}"' if "instance" in level else f'job="{JOB}"'
    assert has_data(seen, f"{rule['record']}{{{chosen}}}")


@pytest.mark.parametrize("rule", rules("alert"), ids=lambda rule: rule["alert"])
def test_every_alert_has_something_to_judge(seen: Scene, rule: dict[str, Any]) -> None:
    """Without its thresholds an alert would fire for every process, or for the job."""
    expression, changed = THRESHOLD.subn(">= 0", rule["expr"])
    assert changed
    found = seen.prometheus.query(expression, seen.busy)
    instances = {sample.labels.get("instance", JOB) for sample in found}
    everyone = {JOB} if "sum by (job)" in rule["expr"] else set(seen.instances.values())
    assert instances == everyone or rule["alert"] in EMPTY


def test_an_app_as_bad_as_this_raises_alerts(seen: Scene) -> None:
    raised = seen.prometheus.query("ALERTS", seen.busy)
    assert {sample.labels["alertname"] for sample in raised} >= RAISED
    assert {sample.labels["job"] for sample in raised} == {JOB}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.prometheus_name)
def test_no_counter_ever_falls(seen: Scene, loop: str, metric: Any) -> None:
    """Prometheus would take that for a restart, and count all of it again."""
    if metric.kind == "gauge":
        return
    ends = ("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",)
    for end in ends:
        series = f'{metric.prometheus_name}{end}{{instance="{seen.instances[loop]}"}}'
        assert seen.prometheus.query(f"count({series})"), series
        assert seen.prometheus.query(RESET.format(series)) == []


def test_every_loss_can_be_seen_from_its_first(seen: Scene) -> None:
    """What begins at 1 has not risen: every reason is there at 0, and in the runbook."""
    told = seen.prometheus.query("sum by (reason) (loopwatch_dropped_total)")
    text = next(path for path in RUNBOOKS if "Dropping" in path.name).read_text(encoding="utf-8")
    cells = "".join(row.split("|")[1] for row in text.splitlines() if row.startswith("| `"))
    explained = {*re.findall(r"`(\w+)`", cells), "log", "request_start", "samples", "looks"}
    assert {sample.labels["reason"] for sample in told} == explained


@pytest.mark.parametrize("asked", FACTS)
def test_prometheus_says_what_the_app_says(seen: Scene, loop: str, asked: str) -> None:
    """Every total lies between the app's own just before the scrape and just after it."""
    reading, facts = seen.readings[loop], FACTS[asked]
    expression = asked.replace("$me", f'instance="{seen.instances[loop]}"')
    found = seen.prometheus.query(expression, reading.at)
    told = {"".join(sample.labels.values()): sample.value for sample in found}
    before, after = facts(reading.before), facts(reading.after)
    assert any(before.values())
    assert before.keys() <= told.keys() <= after.keys()
    for key, value in told.items():
        assert before.get(key, 0.0) - EXACT <= value <= after[key] + EXACT, key
