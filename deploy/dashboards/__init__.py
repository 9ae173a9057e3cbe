"""Grafana's dashboards, as Python: what `loopwatch/grafana/dashboards/*.json` is made from."""
