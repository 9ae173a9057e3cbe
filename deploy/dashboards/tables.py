"""Tables and bars over all the time shown: one query for each column, joined by labels."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from grafana_foundation_sdk.builders import barchart, common, dashboard, prometheus, table
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.dashboards.panels import DATASOURCE, HALF, REFS, TALL, WIDE, asked, framed, legend

P = TypeVar("P", table.Panel, barchart.Panel)
Labels = dict[str, str]  # labels and their titles


class Column(NamedTuple):
    title: str
    unit: str
    expr: str
    bar: bool = False


def rows(
    title: str,
    labels: Labels,
    columns: tuple[Column, ...],
    *,
    description: str,
    width: int = WIDE,
    links: dict[str, dashboard.DashboardLink] | None = None,
) -> table.Panel:
    """Return a table, ranked by its first column of numbers."""
    panel = framed(table.Panel(), title, description, columns[0].unit, width, TALL)
    panel.cell_height(looks.TableCellHeight.SM)
    panel.sort_by([common.TableSortByFieldState().display_name(columns[0].title).desc(True)])
    for column in columns:
        panel.override_by_name(column.title, style(column))
    for name, link in (links or {}).items():
        panel.override_by_name(name, [model.DynamicConfigValue("links", [link.build()])])
    return joined(panel, labels, columns)


def style(column: Column) -> list[model.DynamicConfigValue]:
    unit = model.DynamicConfigValue("unit", column.unit)
    if column.unit == "short":  # a count: Prometheus extrapolates, and would show 1.07 stalls
        return [unit, model.DynamicConfigValue("decimals", 0)]
    if not column.bar:
        return [unit]
    cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    return [
        unit,
        model.DynamicConfigValue("custom.cellOptions", cell),
        model.DynamicConfigValue("color", {"mode": "continuous-YlRd"}),
        model.DynamicConfigValue("min", 0),
    ]


def bars(
    title: str, unit: str, labels: Labels, columns: tuple[Column, ...], *, description: str
) -> barchart.Panel:
    """Return one stacked bar for each value of the label."""
    panel = framed(barchart.Panel(), title, description, unit, HALF, TALL)
    [name] = labels.values()
    panel.min(0).x_field(name).orientation(looks.VizOrientation.HORIZONTAL)
    panel.stacking(looks.StackingMode.NORMAL).show_value(looks.VisibilityMode.NEVER)
    panel.fill_opacity(80).legend(legend())
    return joined(panel, labels, columns)


def joined(panel: P, labels: Labels, columns: tuple[Column, ...]) -> P:
    """Query the columns, and join them into one frame, with titles and in order."""
    values = {f"Value #{ref}": column.title for ref, column in zip(REFS, columns, strict=False)}
    if len(columns) == 1:
        values = {"Value": columns[0].title}
    names = labels | values
    options = {
        "excludeByName": {"Time": True},
        "indexByName": {name: at for at, name in enumerate(names)},
        "renameByName": names,
    }
    for kind, given in (("merge", {}), ("organize", options)):
        panel.with_transformation(model.DataTransformerConfig(id_val=kind, options=given))
    return asked(panel, tuple(reading(column.expr) for column in columns))


def reading(expr: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .datasource(DATASOURCE)
        .expr(expr)
        .legend_format("__auto")
        .format(PromQueryFormat.TABLE)
        .instant()
    )
