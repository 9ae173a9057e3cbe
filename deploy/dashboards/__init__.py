"""The source of Grafana's dashboards in `loopwatch/tools/grafana/dashboards`."""
