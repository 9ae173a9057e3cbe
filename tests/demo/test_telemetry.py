"""The demo sends OTLP if asked to; tests/exporters/test_otlp.py has what then arrives."""

import sys

import pytest

from examples.demo import telemetry
from examples.demo.settings import SettingsError

set_up = telemetry.set_up.__wrapped__  # not remembered


def test_without_an_endpoint_nothing_is_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(telemetry.ENDPOINT, raising=False)
    assert set_up() is False


def test_an_unknown_protocol_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(telemetry.ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setenv(telemetry.PROTOCOL, "http/json")
    with pytest.raises(SettingsError, match="must be grpc or http/protobuf, got 'http/json'"):
        set_up()


def test_without_the_sdk_the_cure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(telemetry.ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(SettingsError, match=r"pip install 'loopwatch\[otel\]'"):
        set_up()


def test_what_is_turned_off_is_not_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As OpenTelemetry's own variables say: both off leaves nothing to send."""
    monkeypatch.setenv(telemetry.ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    made: list[str] = []
    monkeypatch.setattr("opentelemetry.trace.set_tracer_provider", lambda _: made.append("trace"))
    monkeypatch.setattr("opentelemetry.metrics.set_meter_provider", lambda _: made.append("meter"))
    assert set_up() is True
    assert made == []
