"""The configuration that Grafana and Prometheus read when they start.

Text is quoted as JSON, which is also YAML. Grafana reads `$` as a variable, and `$$` as `$`.
"""

from __future__ import annotations

import json

SCRAPED = "15s"


def datasource(prometheus: str, traces: str | None) -> str:
    """Return Grafana's data source; `traces` is the uid of another data source, or a URL."""
    return f"""\
# For Grafana's folder provisioning/datasources. Not needed if Grafana already has Prometheus.
apiVersion: 1
datasources:
  - name: loopwatch
    uid: loopwatch
    type: prometheus
    access: proxy
    url: {for_grafana(prometheus)}
    jsonData:
      httpMethod: POST
      timeInterval: {SCRAPED} # how often Prometheus scrapes
{exemplars(traces)}"""


def exemplars(traces: str | None) -> str:
    """Return the links from points in histograms to traces, by the label trace_id."""
    if traces is None:
        return "      # points in histograms lead to traces: loopwatch grafana DIR --traces UID\n"
    kind = "url" if "://" in traces else "datasourceUid"
    return f"""\
      exemplarTraceIdDestinations:
        - name: trace_id
          {kind}: {for_grafana(traces)}
"""


def dashboards(folder: str) -> str:
    """Return the configuration with which Grafana finds the dashboards in `folder`."""
    return f"""\
# For Grafana's folder provisioning/dashboards.
apiVersion: 1
providers:
  - name: loopwatch
    folder: loopwatch
    type: file
    allowUiUpdates: false
    options:
      path: {for_grafana(folder)}
"""


def scraping(target: str) -> str:
    """Return an example configuration for Prometheus; `target` is the app's host and port."""
    return f"""\
# A complete example for a new Prometheus; for an existing one, copy the last two sections.
global:
  scrape_interval: {SCRAPED}
  evaluation_interval: {SCRAPED}
rule_files:
  - rules/*.yml # beside this file
scrape_configs:
  - job_name: app
    static_configs:
      - targets: [{json.dumps(target)}] # serves /metrics
"""


def for_grafana(text: str) -> str:
    return json.dumps(text.replace("$", "$$"), ensure_ascii=False)
