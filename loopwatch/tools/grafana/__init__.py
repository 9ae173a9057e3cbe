"""Dashboards, alert rules and runbooks, and the configuration that loads them."""
