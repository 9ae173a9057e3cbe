"""The shipped dashboards keep the rules of Grafana's linter, and each rule can tell a fault."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from loopwatch.tools.grafana.shipped import shipped
from tests.tools.grafana.linter import RULES, Dashboard, findings, panels

DASHBOARDS = {
    path: json.loads(text) for path, text in shipped().items() if path.startswith("dashboards/")
}
CURVES = 'rate(loopwatch_self_seconds_total{job=~"$job", instance=~"$instance"}[$__rate_interval])'

Fault = Callable[[Dashboard], None]


def variable(name: str, /, **changes: Any) -> Fault:
    def plant(dashboard: Dashboard) -> None:
        [found] = [v for v in dashboard["templating"]["list"] if v["name"] == name]
        found.update(changes)

    return plant


def without_variable(name: str) -> Fault:
    def plant(dashboard: Dashboard) -> None:
        templating = dashboard["templating"]
        templating["list"] = [v for v in templating["list"] if v["name"] != name]

    return plant


def panel(**changes: Any) -> Fault:
    return lambda dashboard: panels(dashboard)[-1].update(changes)


def expr(text: str) -> Fault:
    return lambda dashboard: panels(dashboard)[-1]["targets"][0].update(expr=text)


def unit(value: str) -> Fault:
    return lambda dashboard: panels(dashboard)[0]["fieldConfig"]["defaults"].update(unit=value)


def override(value: str) -> Fault:
    rule = {"matcher": {}, "properties": [{"id": "unit", "value": value}]}
    return lambda dashboard: panels(dashboard)[0]["fieldConfig"]["overrides"].append(rule)


FAULTS: list[tuple[str, Fault]] = [
    ("template-datasource-rule", without_variable("datasource")),
    ("template-datasource-rule", variable("datasource", name="source")),
    ("template-datasource-rule", variable("datasource", label="Prometheus")),
    ("template-job-rule", without_variable("job")),
    ("template-job-rule", variable("job", multi=False)),
    ("template-job-rule", variable("job", datasource={"uid": "loopwatch"})),
    ("template-instance-rule", without_variable("instance")),
    ("template-instance-rule", variable("instance", allValue=".*")),
    ("template-instance-rule", variable("instance", label="Host")),
    ("template-label-promql-rule", variable("route", query="loopwatch_info")),
    ("template-label-promql-rule", variable("route", query="label_values(up{, route)")),
    ("template-on-time-change-reload-rule", variable("route", refresh=1)),
    ("panel-datasource-rule", panel(datasource={"uid": "loopwatch"})),
    ("panel-datasource-rule", lambda d: panels(d)[0]["targets"][0].pop("datasource")),
    ("panel-title-description-rule", panel(title="")),
    ("panel-title-description-rule", panel(description="")),
    ("panel-units-rule", unit("seconds")),
    ("panel-units-rule", override("millis")),
    ("panel-no-targets-rule", panel(targets=[])),
    ("target-promql-rule", expr(CURVES[:-1])),
    ("target-promql-rule", expr("")),
    ("target-rate-interval-rule", expr(CURVES.replace("$__rate_interval", "5m"))),
    ("target-rate-interval-rule", expr(CURVES.replace("$__rate_interval", "$__range"))),
    ("target-job-rule", expr(CURVES.replace('job=~"$job", ', ""))),
    ("target-job-rule", expr(CURVES.replace('job=~"$job"', 'job="$job"'))),
    ("target-instance-rule", expr(CURVES.replace(', instance=~"$instance"', ""))),
    ("target-counter-agg-rule", expr(CURVES[5:].partition("[")[0])),
    ("target-counter-agg-rule", expr(CURVES.replace("rate(", "avg_over_time("))),
    ("target-counter-agg-rule", expr(CURVES[5:].partition("[")[0].replace("total", "count"))),
    ("uneditable-dashboard", lambda d: d.update(editable=True)),
]


@pytest.mark.parametrize("path", DASHBOARDS)
def test_dashboard_keeps_the_rules(path: str) -> None:
    assert findings(DASHBOARDS[path]) == {}


@pytest.mark.parametrize(("rule", "plant"), FAULTS)
def test_rule_tells_a_planted_fault(rule: str, plant: Fault) -> None:
    """And no other rule does."""
    dashboard = json.loads(json.dumps(DASHBOARDS["dashboards/loopwatch-overview.json"]))
    plant(dashboard)
    assert findings(dashboard).keys() == {rule}


def test_every_rule_has_a_planted_fault() -> None:
    assert {rule for rule, _ in FAULTS} == RULES.keys()
