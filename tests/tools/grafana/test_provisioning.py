"""What Grafana and Prometheus read is YAML that says what was asked for."""

from typing import Any

import pytest
import yaml

from loopwatch.tools.grafana import provisioning

ODD = 'a "quoted" \\ # path: $HOME/ü'


def only(text: str, key: str) -> dict[str, Any]:
    """Return the one entry of a list in a file that Grafana reads."""
    found = yaml.safe_load(text)
    assert found["apiVersion"] == 1
    [entry] = found[key]
    assert isinstance(entry, dict)
    return entry


def test_data_source_is_prometheus_with_a_fixed_uid() -> None:
    source = only(provisioning.datasource("http://prom:9090", None), "datasources")
    assert source["uid"] == "loopwatch"
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prom:9090"
    assert source["jsonData"] == {"httpMethod": "POST", "timeInterval": "15s"}


@pytest.mark.parametrize(
    ("traces", "destination"),
    [
        ("tempo", {"datasourceUid": "tempo"}),
        ("https://t/x?id=${__value.raw}", {"url": "https://t/x?id=$${__value.raw}"}),
    ],
)
def test_exemplars_lead_to_traces(traces: str, destination: dict[str, str]) -> None:
    """Grafana would take a single dollar for a variable of its environment."""
    source = only(provisioning.datasource("http://p:9090", traces), "datasources")
    [found] = source["jsonData"]["exemplarTraceIdDestinations"]
    assert found == {"name": "trace_id"} | destination


def test_dashboards_are_found_in_a_folder_of_any_name() -> None:
    provider = only(provisioning.dashboards(ODD), "providers")
    assert provider["type"] == "file"
    assert provider["options"]["path"] == ODD.replace("$", "$$")


def test_prometheus_scrapes_the_target_and_loads_the_rules() -> None:
    config = yaml.safe_load(provisioning.scraping("[::1]:9464"))
    [job] = config["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["[::1]:9464"]}]
    assert config["rule_files"] == ["rules/*.yml"]
