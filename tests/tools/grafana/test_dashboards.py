"""What dashboards ask for exists, their grid is whole, and the JSON is what the source makes."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.dashboards.__main__ import COMMAND, dashboards
from loopwatch.exporters.metrics import METRICS
from loopwatch.tools.grafana.shipped import shipped
from tests.tools.grafana.linter import Dashboard, exprs, panels
from tests.tools.grafana.promql import grouped, matchers, selectors

DASHBOARDS = {json.loads(text)["uid"]: json.loads(text) for text in dashboards().values()}
TARGETS = frozenset({"job", "instance"})  # labels that Prometheus adds
WIDTH = 24
ROW_ORDER = ("Requests", "Loop", "Culprits")
OTHERS = {"process_cpu_seconds_total": TARGETS}  # prometheus_client's own
PARTS: dict[str, tuple[str, ...]] = {"histogram": ("_bucket", "_count", "_sum")}

Known = dict[str, frozenset[str]]


def known_series() -> Known:
    """Return the labels of every series that an app exports, by its name."""
    found: Known = dict(OTHERS)
    for metric in METRICS:
        for part in PARTS.get(metric.kind, ("",)):
            bucket = {"le"} if part == "_bucket" else set()
            found[metric.prometheus_name + part] = TARGETS | bucket | set(metric.labels)
    return found


def unknown(expr: str, known: Known) -> Iterator[str]:
    """Return the names and labels in a query that nobody exports."""
    labels: set[str] = set()
    for selector in selectors(expr):
        if selector.name not in known:
            yield str(selector.name)
            continue
        labels |= known[selector.name]
        yield from matchers(selector).keys() - known[selector.name]
    yield from set(grouped(expr)) - labels


def cells(dashboard: Dashboard) -> Counter[tuple[int, int]]:
    """Return how many panels lie on each cell of the grid."""
    found: Counter[tuple[int, int]] = Counter()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        found.update(
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        )
    return found


def uneven(dashboard: Dashboard) -> set[tuple[int, int]]:
    """Return the cells of the grid that no panel lies on, or more than one, or that are outside."""
    found = cells(dashboard)
    lowest = max(y for _, y in found)
    whole = {(x, y) for x in range(WIDTH) for y in range(lowest + 1)}
    return {cell for cell, count in found.items() if count > 1} | (whole ^ found.keys())


@pytest.fixture(params=DASHBOARDS)
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    found: Dashboard = DASHBOARDS[request.param]
    return found


def test_shipped_json_is_what_the_source_makes() -> None:
    made = {f"dashboards/{name}": text for name, text in dashboards().items()}
    there = {path: text for path, text in shipped().items() if path.startswith("dashboards/")}
    stale = sorted(path for path in made.keys() | there.keys() if made.get(path) != there.get(path))
    assert not stale, f"not what deploy/dashboards makes: {stale}; run `{COMMAND}`, and commit"


def test_every_series_and_label_is_exported(dashboard: Dashboard) -> None:
    known = known_series()
    assert {title: list(unknown(expr, known)) for title, expr in exprs(dashboard)} == {
        title: [] for title, _ in exprs(dashboard)
    }


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("rate(loopwatch_stalls_total[1m])", ["loopwatch_stalls_total"]),
        ("loopwatch_stall_seconds", ["loopwatch_stall_seconds"]),
        ("rate(loopwatch_stall_seconds_sum{line='1'}[1m])", ["line"]),
        ("rate(loopwatch_stall_seconds_sum{le='1'}[1m])", ["le"]),
        ("sum by (line) (loopwatch_tasks)", ["line"]),
        ("loopwatch_tasks * on (pod) loopwatch_tasks", ["pod"]),
        ("loopwatch_tasks * on (job) group_left (zone) loopwatch_tasks", ["zone"]),
    ],
)
def test_checker_tells_what_nobody_exports(expr: str, found: list[str]) -> None:
    assert list(unknown(expr, known_series())) == found


def test_every_metric_has_a_panel() -> None:
    asked = {s.name for d in DASHBOARDS.values() for _, expr in exprs(d) for s in selectors(expr)}
    missing = [
        metric.prometheus_name
        for metric in METRICS
        if not asked & {metric.prometheus_name + part for part in ("", "_bucket", "_count", "_sum")}
    ]
    assert missing == []


def test_routes_are_chosen_wherever_there_is_one(dashboard: Dashboard) -> None:
    known = known_series()
    for title, expr in exprs(dashboard):
        for selector in selectors(expr):
            if "route" in known[str(selector.name)]:
                assert matchers(selector)["route"] == '=~"$route"', title


def test_grid_has_neither_gaps_nor_overlaps(dashboard: Dashboard) -> None:
    assert uneven(dashboard) == set()


@pytest.mark.parametrize("change", [{"x": 1}, {"w": 3}, {"w": 5}, {"h": 5}, {"x": 21}, {"y": 90}])
def test_checker_tells_a_crooked_grid(change: dict[str, int]) -> None:
    crooked = json.loads(json.dumps(DASHBOARDS["loopwatch-overview"]))
    crooked["panels"][1]["gridPos"] |= change
    assert uneven(crooked)


def test_rows_are_requests_then_loop_then_culprits(dashboard: Dashboard) -> None:
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    first = [next(at for at, row in enumerate(rows) if word in row) for word in ROW_ORDER]
    assert first == sorted(first)


def test_panels_are_told_apart(dashboard: Dashboard) -> None:
    """By id and title, and their queries by legend: a curve without a name tells nobody."""
    ids = [panel["id"] for panel in dashboard["panels"]]
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)
    for panel in panels(dashboard):
        targets = panel["targets"]
        assert len({target["refId"] for target in targets}) == len(targets)
        assert all(target["legendFormat"] for target in targets), panel["title"]
        if panel["type"] == "timeseries":
            assert panel["options"]["legend"]["showLegend"]
            assert len({target["legendFormat"] for target in targets}) == len(targets)


def test_histograms_of_stalls_and_requests_show_exemplars(dashboard: Dashboard) -> None:
    traced = ("loopwatch_stall_seconds_bucket", "loopwatch_request_seconds_bucket")
    for panel in panels(dashboard):
        for target in panel["targets"]:
            names = {selector.name for selector in selectors(target["expr"])}
            wanted = panel["type"] == "timeseries" and not names.isdisjoint(traced)
            assert target.get("exemplar", False) == wanted, panel["title"]


def test_tables_ask_once_and_name_every_column(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        if panel["type"] in ("table", "barchart"):
            assert all(t["instant"] and t["format"] == "table" for t in panel["targets"])
            renamed = panel["transformations"][-1]["options"]["renameByName"]
            labels = {label for t in panel["targets"] for label in result_labels(t["expr"])}
            assert labels == {name for name in renamed if not name.startswith("Value")}


def result_labels(expr: str) -> set[str]:
    return set(grouped(expr)) - {"le"}


def test_links_lead_to_the_other_dashboard_and_keep_what_was_chosen(dashboard: Dashboard) -> None:
    [link] = dashboard["links"]
    [other] = DASHBOARDS.keys() - {dashboard["uid"]}
    assert link["url"] == f"/d/{other}"
    assert link["keepTime"]
    assert link["includeVars"]


def test_an_instance_in_the_table_leads_to_its_diagnosis() -> None:
    links = [
        link["url"]
        for panel in panels(DASHBOARDS["loopwatch-overview"])
        for override in panel["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "links"
        for link in one["value"]
    ]
    [url] = links
    assert url.startswith("/d/loopwatch-diagnosis?")
    kept = ("${__url_time_range}", "${datasource:queryparam}", "${job:queryparam}")
    assert all(part in url for part in kept)
    assert "var-instance=${__data.fields.Instance}" in url


def test_nothing_is_asked_of_a_source_by_name(dashboard: Dashboard) -> None:
    """A uid of one Grafana means nothing in another."""

    def sources(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "datasource" in value and isinstance(value["datasource"], dict):
                yield value["datasource"]["uid"]
            value = list(value.values())
        if isinstance(value, list):
            for inner in value:
                yield from sources(inner)

    assert set(sources(dashboard)) == {"${datasource}"}
