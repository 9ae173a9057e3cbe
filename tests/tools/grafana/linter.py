"""The published rules of Grafana's dashboard-linter, each by its name, as far as they can apply."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from promql_parser import Call, MatrixSelector, VectorSelector

from tests.tools.grafana.promql import RATE_INTERVAL, matchers, nodes, selectors

Dashboard = dict[str, Any]
Rule = Callable[[Dashboard], Iterator[str]]

SOURCES = ("$datasource", "${datasource}")
UNITS = {"none", "short", "percent", "percentunit", "bytes", "s", "ms", "ops", "cps", "cpm"}
UNITS |= {"reqps", "rps"}  # of all that Grafana knows, those a dashboard of ours may have use for
SOURCE_FUNCTION = re.compile(r"(label_names|label_values|metrics|query_result)\((.+)\)")


def panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def exprs(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """Return every query with the title of its panel."""
    for panel in panels(dashboard):
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", []))


def valid(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """Return queries that parse: the others are one rule's to tell, not every rule's."""
    for title, expr in exprs(dashboard):
        try:
            nodes(expr)
        except ValueError:
            continue
        yield title, expr


def variables(dashboard: Dashboard, kind: str) -> list[dict[str, Any]]:
    return [v for v in dashboard["templating"]["list"] if v["type"] == kind]


def template_datasource(dashboard: Dashboard) -> Iterator[str]:
    found = variables(dashboard, "datasource")
    if [v["name"] for v in found] != ["datasource"]:
        yield "there must be one variable for the data source, named datasource"
    for v in found:
        if v.get("label") != "Data source" or v["query"] != "prometheus":
            yield "the variable datasource must be of Prometheus, and labelled Data source"


def template(name: str) -> Rule:
    def rule(dashboard: Dashboard) -> Iterator[str]:
        found = [v for v in variables(dashboard, "query") if v["name"] == name]
        if not found:
            yield f"there must be a variable {name}"
        for v in found:
            if v["datasource"]["uid"] not in SOURCES:
                yield f"{name} must be asked of $datasource"
            if v.get("label") != name.capitalize():
                yield f"{name} must be labelled {name.capitalize()}"
            if not (v["multi"] and v["includeAll"] and v.get("allValue") == ".+"):
                yield f"{name} must be a multi-select whose All is .+"

    return rule


def template_label_promql(dashboard: Dashboard) -> Iterator[str]:
    for v in variables(dashboard, "query"):
        call = SOURCE_FUNCTION.fullmatch(v["query"])
        try:
            if call is None:
                yield f"{v['name']} must ask label_values or the like"
            else:
                nodes(call[2].rpartition(",")[0] or call[2])
        except ValueError as error:
            yield f"{v['name']}: {error}"


def template_reload(dashboard: Dashboard) -> Iterator[str]:
    for v in variables(dashboard, "query"):
        if v.get("refresh") != 2:
            yield f"{v['name']} must be asked anew when the time range changes"


def panel_datasource(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        for one in (panel, *panel.get("targets", [])):
            if one.get("datasource", {}).get("uid") not in SOURCES:
                yield f"{panel['title']} must use $datasource"


def panel_title_description(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        if not (panel.get("title") and panel.get("description")):
            yield f"panel {panel['id']} must have a title and a description"


def panel_units(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        config = panel["fieldConfig"]
        found = [config["defaults"].get("unit")]
        for override in config["overrides"]:
            found += [p["value"] for p in override["properties"] if p["id"] == "unit"]
        if not UNITS.issuperset(found):
            yield f"{panel['title']} must have valid units, has {found}"


def panel_no_targets(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        if not panel.get("targets"):
            yield f"{panel['title']} must have a query"


def target_promql(dashboard: Dashboard) -> Iterator[str]:
    good = list(valid(dashboard))
    yield from (
        f"{title}: not PromQL: {e}" for title, e in exprs(dashboard) if (title, e) not in good
    )


def target_rate_interval(dashboard: Dashboard) -> Iterator[str]:
    for title, expr in valid(dashboard):
        for node, parents in nodes(expr):
            rated = isinstance(node, MatrixSelector) and called(parents[-1:], "rate", "irate")
            if rated and f"[{RATE_INTERVAL}]" not in node.prettify():
                yield f"{title} must use $__rate_interval: {expr}"


def called(parents: tuple[Any, ...], *functions: str) -> bool:
    return any(isinstance(node, Call) and node.func.name in functions for node in parents)


def target_matcher(name: str) -> Rule:
    def rule(dashboard: Dashboard) -> Iterator[str]:
        for title, expr in valid(dashboard):
            for selector in selectors(expr):
                if matchers(selector).get(name) != f'=~"${name}"':
                    yield f'{title} must ask for {name}=~"${name}": {expr}'

    return rule


def target_counter_agg(dashboard: Dashboard) -> Iterator[str]:
    """As the linter has it for `_total`; ours holds a histogram's counters to it as well."""
    for title, expr in valid(dashboard):
        for node, parents in nodes(expr):
            counter = isinstance(node, VectorSelector) and is_counter(node.name or "")
            if counter and not called(parents[-2:-1], "rate", "irate", "increase"):
                yield f"{title} must take the rate or increase of {node.prettify()}"


def is_counter(name: str) -> bool:
    return name.endswith(("_total", "_bucket", "_count", "_sum"))


def uneditable(dashboard: Dashboard) -> Iterator[str]:
    if dashboard.get("editable") is not False:
        yield "editable must be false"


RULES: dict[str, Rule] = {
    "template-datasource-rule": template_datasource,
    "template-job-rule": template("job"),
    "template-instance-rule": template("instance"),
    "template-label-promql-rule": template_label_promql,
    "template-on-time-change-reload-rule": template_reload,
    "panel-datasource-rule": panel_datasource,
    "panel-title-description-rule": panel_title_description,
    "panel-units-rule": panel_units,
    "panel-no-targets-rule": panel_no_targets,
    "target-promql-rule": target_promql,
    "target-rate-interval-rule": target_rate_interval,
    "target-job-rule": target_matcher("job"),
    "target-instance-rule": target_matcher("instance"),
    "target-counter-agg-rule": target_counter_agg,
    "uneditable-dashboard": uneditable,
}


def findings(dashboard: Dashboard) -> dict[str, list[str]]:
    """Return what each rule has against a dashboard; empty if none has."""
    found = {name: list(rule(dashboard)) for name, rule in RULES.items()}
    return {name: faults for name, faults in found.items() if faults}
