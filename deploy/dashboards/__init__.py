"""Grafana's dashboards, as Python: `loopwatch/tools/grafana/dashboards` is made from it."""
