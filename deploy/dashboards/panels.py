"""Curves, numbers and heatmaps in the common style of all dashboards."""

from __future__ import annotations

from typing import TypeVar

from grafana_foundation_sdk.builders import (
    barchart,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDE, HALF, THIRD, QUARTER, SIXTH = 24, 12, 8, 6, 4  # of a dashboard's 24 columns
TALL, LOW = 9, 4  # rows of the grid
REFS = "ABCDEFGH"  # names of a panel's queries

AnyPanel = timeseries.Panel | stat.Panel | table.Panel | heatmap.Panel | barchart.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel, table.Panel, heatmap.Panel, barchart.Panel)


def query(expr: str, legend: str, exemplar: bool = False) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .datasource(DATASOURCE)
        .expr(expr)
        .legend_format(legend)
        .range()
        .exemplar(exemplar)
    )


def framed(panel: P, title: str, description: str, unit: str, width: int, height: int) -> P:
    return (
        panel.title(title)
        .description(description)
        .unit(unit)
        .datasource(DATASOURCE)
        .span(width)
        .height(height)
    )


def asked(panel: P, queries: tuple[prometheus.Dataquery, ...]) -> P:
    for name, one in zip(REFS, queries, strict=False):
        panel.with_target(one.ref_id(name))
    return panel


def lines(
    title: str,
    unit: str,
    *queries: prometheus.Dataquery,
    description: str,
    width: int = THIRD,
    limit: float | None = None,
    stacked: bool = False,
) -> timeseries.Panel:
    """Return curves over time; `limit` draws a dashed line at that value."""
    panel = framed(timeseries.Panel(), title, description, unit, width, TALL)
    panel.min(0).line_width(1).fill_opacity(60 if stacked else 8).show_points(
        looks.VisibilityMode.AUTO
    )
    panel.legend(legend()).tooltip(
        common.VizTooltipOptions()
        .mode(looks.TooltipDisplayMode.MULTI)
        .sort(looks.SortOrder.DESCENDING)
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    if limit is not None:
        panel.thresholds(steps((None, "transparent"), (limit, "red")))
        panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED)
        )
    return asked(panel, queries)


def number(
    title: str,
    unit: str,
    expr: str,
    *,
    description: str,
    orange: float | None = None,
    red: float | None = None,
    nothing: str = "no data",
) -> stat.Panel:
    """Return the latest value in large type over its curve, coloured from two values on."""
    panel = framed(stat.Panel(), title, description, unit, SIXTH, LOW)
    panel.no_value(nothing)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    panel.graph_mode(looks.BigValueGraphMode.AREA).color_mode(looks.BigValueColorMode.VALUE)
    if orange is None or red is None:
        panel.thresholds(steps((None, "blue")))
    else:
        panel.thresholds(steps((None, "green"), (orange, "orange"), (red, "red")))
    return asked(panel, (query(expr, title),))


def legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(looks.LegendDisplayMode.LIST)
        .placement(looks.LegendPlacement.BOTTOM)
        .calcs([])
    )


def heat(title: str, unit: str, expr: str, *, description: str) -> heatmap.Panel:
    """Return buckets over time; darker means more."""
    panel = framed(heatmap.Panel(), title, description, unit, HALF, TALL)
    panel.calculate(False).show_legend().cell_gap(1)
    panel.color(
        heatmap.HeatmapColorOptions()
        .mode(HeatmapColorMode.SCHEME)
        .scheme("Oranges")
        .scale(HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .steps(64)
    )
    panel.y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(looks.AxisPlacement.LEFT))
    return asked(panel, (query(expr, "{{le}}").format(PromQueryFormat.HEATMAP),))


def steps(*values: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=color) for value, color in values])
    )
