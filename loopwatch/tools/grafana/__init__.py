"""Dashboards, alert rules and runbooks, and what makes Grafana and Prometheus load them."""
