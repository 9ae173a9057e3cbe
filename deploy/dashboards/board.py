"""The common parts of both dashboards: variables, links to each other, rows of panels."""

from __future__ import annotations

import json

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from deploy.dashboards.panels import DATASOURCE, AnyPanel

OVERVIEW, DIAGNOSIS = "loopwatch-overview", "loopwatch-diagnosis"
TITLES = {OVERVIEW: "loopwatch: overview", DIAGNOSIS: "loopwatch: diagnosis"}
KEPT = "${__url_time_range}&${datasource:queryparam}&${job:queryparam}&${route:queryparam}"

Row = tuple[str, list[AnyPanel]]


def board(uid: str, description: str, rows: list[Row]) -> str:
    """Return a dashboard as JSON; panels fill its grid from left to right, row by row."""
    made = (
        dashboard.Dashboard(TITLES[uid])
        .uid(uid)
        .description(description)
        .tags(["loopwatch", "asyncio"])
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .timezone("browser")
        .refresh("30s")
    )
    for variable in variables():
        made.with_variable(variable)
    for other, title in TITLES.items():
        if other != uid:
            made.link(link_to(other, title))
    number = 0
    for title, panels in rows:
        number += 1
        made.with_row(dashboard.Row(title).id(number))
        for panel in panels:
            number += 1
            made.with_panel(panel.id(number))
    return json.dumps(made.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def variables() -> list[dashboard.DatasourceVariable | dashboard.QueryVariable]:
    return [
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        label("job", "label_values(loopwatch_info, job)"),
        label("instance", 'label_values(loopwatch_info{job=~"$job"}, instance)'),
        label(
            "route",
            'label_values(loopwatch_request_seconds_count{job=~"$job", instance=~"$instance"}, '
            "route)",
        ),
    ]


def label(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(DATASOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def link_to(uid: str, title: str) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink(title)
        .type(model.DashboardLinkType.LINK)
        .icon("dashboard")
        .url(f"/d/{uid}")
        .keep_time(True)
        .include_vars(True)
    )


def diagnosis_of_instance() -> dashboard.DashboardLink:
    """Return a link in a table to the other dashboard, for the clicked instance."""
    return dashboard.DashboardLink("Diagnose this instance").url(
        f"/d/{DIAGNOSIS}?{KEPT}&var-instance=${{__data.fields.Instance}}"
    )
