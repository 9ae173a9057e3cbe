"""The rules, judged by promtool; and that alerts, tests, runbooks and metrics know each other."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from loopwatch.exporters.metrics import METRICS
from tests.conftest import CHECKOUT
from tests.prometheus import executable
from tests.tools.grafana.dashboard import DASHBOARDS, queries
from tests.tools.grafana.rulebook import RULES, RUNBOOKS, groupings, metrics, recorded, rules

ALERTS, RECORDS = rules("alert"), rules("record")
NAMES = sorted({rule["alert"] for rule in ALERTS})
TESTS = sorted(Path(__file__).with_name("rules").glob("*.test.yml"))
PAPERS = [*RULES, *RUNBOOKS, CHECKOUT / "docs" / "alerts.md"]
DOCUMENTED = CHECKOUT / "docs" / "alerts.md"
SCRAPED = {"job", "instance"}  # labels that Prometheus gives each series
LABELS = {label for metric in METRICS for label in metric.labels} | SCRAPED | {"le"}


def promtool(*arguments: object) -> str:
    """Return what promtool says; it must be content."""
    command = [executable("promtool"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def trials_of(alert: str) -> list[dict[str, Any]]:
    path = Path(__file__).parent / "rules" / f"{alert}.test.yml"
    tests: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
    return tests


def by_name(path: Path) -> str:
    return path.name


@pytest.mark.slow
def test_promtool_finds_no_fault() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", *RULES)


@pytest.mark.slow
@pytest.mark.parametrize("path", TESTS, ids=by_name)
def test_rules_do_what_they_say(path: Path) -> None:
    """Values of the recorded ones; and when alerts are pending, fire, end, and do none of it."""
    assert "SUCCESS" in promtool("test", "rules", path)


def test_every_file_of_tests_is_of_an_alert() -> None:
    assert {path.name.removesuffix(".test.yml") for path in TESTS} == {*NAMES, "recording"}


@pytest.mark.parametrize("alert", NAMES)
def test_every_alert_is_tried_in_every_state(alert: str) -> None:
    """Pending, firing with all its words, then over; and with data under which it must not fire."""
    bad, *others = trials_of(alert)
    asked = [case["expr"] for case in bad["promql_expr_test"] if case["exp_samples"]]
    assert any(alert in expression and '"pending"' in expression for expression in asked)
    outcomes = [len(case["exp_alerts"]) for case in bad["alert_rule_test"]]
    assert outcomes == [0, 1, 0]
    fires = bad["alert_rule_test"][1]["exp_alerts"][0]
    assert {"summary", "description"} < fires["exp_annotations"].keys()
    assert any(
        test.get("alert_rule_test")
        and all(case["exp_alerts"] == [] for case in test["alert_rule_test"])
        for test in others
    )


def test_every_severity_is_tried() -> None:
    for rule in ALERTS:
        tried = re.findall(r"severity\W+(\w+)", str(trials_of(rule["alert"])))
        assert rule["labels"]["severity"] in tried, rule["alert"]


def test_every_recorded_series_is_tried() -> None:
    tried = {name for test in trials_of("recording") for name, _ in recorded(str(test))}
    assert tried == {rule["record"] for rule in RECORDS}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url", "dashboard"}
    assert annotations["runbook_url"] == f"runbooks/{rule['alert']}.md"
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert re.fullmatch("([A-Z][a-z]+)+", rule["alert"])
    assert rule["for"]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_runbook_leads_to_panels_of_its_alert_s_dashboard(rule: dict[str, Any]) -> None:
    """The uid of a dashboard is its file's name."""
    path = next(path for path in RUNBOOKS if path.stem == rule["alert"])
    found = re.search(r"^Dashboard `(.+?)`: (.+)\.$", path.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    assert found[1] == rule["annotations"]["dashboard"]
    named = set(re.findall(r"\*(.+?)\*", found[2]))
    assert named
    if DASHBOARDS:
        dashboard = next(path for path in DASHBOARDS if path.stem == found[1])
        assert named <= {title for title, _ in queries(dashboard)}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert sorted(path.stem for path in RUNBOOKS) == NAMES


@pytest.mark.parametrize("path", RUNBOOKS, ids=by_name)
def test_every_runbook_has_all_its_parts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.stem}\n")
    parts = ("**It means:**", "**Users feel**", "\n## Look\n", "\n## Do\n", "\n## Raise the ")
    where = [text.find(part) for part in parts]
    assert -1 not in where
    assert where == sorted(where)


def test_the_list_of_alerts_agrees_with_the_rules() -> None:
    """Name, `for` and severity of each, in their order."""
    rows = [
        re.match(r"\| \[(\w+)\]\((\S+)\) \|.*\| (\w+) \| (\w+) \|$", line)
        for line in DOCUMENTED.read_text(encoding="utf-8").splitlines()
        if line.startswith("| [")
    ]
    told = [row.groups() for row in rows if row is not None]
    assert all((DOCUMENTED.parent / link).is_file() for _, link, _, _ in told)
    assert [(name, during, severity) for name, _, during, severity in told] == [
        (rule["alert"], rule["for"], rule["labels"]["severity"]) for rule in ALERTS
    ]


@pytest.mark.parametrize("path", PAPERS, ids=by_name)
def test_every_metric_and_label_named_is_exported(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    known = {m.prometheus_name: {*m.labels, *SCRAPED} for m in METRICS}
    for metric in METRICS:
        if metric.kind == "histogram":
            labels = known[metric.prometheus_name]
            known |= {f"{metric.prometheus_name}_{end}": labels for end in ("count", "sum")}
            known[f"{metric.prometheus_name}_bucket"] = labels | {"le"}
    for name, labels in metrics(text):
        assert name in known
        assert labels <= known[name], name
    for name, labels in recorded(text):
        assert name in {rule["record"] for rule in RECORDS}
        assert labels <= set(LABELS), name
    assert groupings(text) <= LABELS


@pytest.mark.parametrize("rule", RECORDS, ids=lambda rule: rule["record"])
def test_the_level_of_a_recorded_series_is_its_labels(rule: dict[str, Any]) -> None:
    level = rule["record"].partition(":")[0]
    assert "_".join(re.findall(r"by \(([^)]*)\)", rule["expr"])[0].split(", ")) in (
        level,
        f"{level}_le",
    )
