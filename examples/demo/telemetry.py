"""OpenTelemetry's SDK with its OTLP exporters, configured by its own variables."""

import functools
import os
from importlib import import_module
from typing import Any

from opentelemetry import metrics, trace

from examples.demo.settings import SettingsError

ENDPOINT, PROTOCOL = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"
EXPORTERS = {"grpc": "grpc", "http/protobuf": "http"}  # protocols and their packages
SERVICE = "loopwatch-demo"  # unless OTEL_SERVICE_NAME says otherwise


@functools.cache
def set_up() -> bool:
    """Send spans and metrics to OTEL_EXPORTER_OTLP_ENDPOINT; return whether that is set.

    FastAPI and loopwatch find the providers by themselves.

    Raises:
        SettingsError: the protocol is unknown, or the SDK is not installed.
    """
    if not os.environ.get(ENDPOINT):
        return False
    protocol = os.environ.get(PROTOCOL, "http/protobuf")
    if protocol not in EXPORTERS:
        raise SettingsError(
            f"{PROTOCOL} must be {' or '.join(EXPORTERS)}, got {protocol!r}: "
            "choose one, or unset it for http/protobuf"
        )
    try:
        provide(f"opentelemetry.exporter.otlp.proto.{EXPORTERS[protocol]}")
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{ENDPOINT} needs OpenTelemetry's SDK, got no module {error.name}: "
            "pip install 'loopwatch[otel]', or unset it to do without"
        ) from error
    return True


def provide(exporters: str) -> None:
    """Install the providers of the API for the whole process."""
    resource = sdk("resources").Resource.create(
        {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": SERVICE}
    )
    if os.environ.get("OTEL_TRACES_EXPORTER") != "none":
        spans = module(f"{exporters}.trace_exporter").OTLPSpanExporter()
        tracers = sdk("trace").TracerProvider(resource=resource)
        tracers.add_span_processor(sdk("trace.export").BatchSpanProcessor(spans))
        trace.set_tracer_provider(tracers)
    if os.environ.get("OTEL_METRICS_EXPORTER") != "none":
        points = module(f"{exporters}.metric_exporter").OTLPMetricExporter()
        reader = sdk("metrics.export").PeriodicExportingMetricReader(points)
        metrics.set_meter_provider(sdk("metrics").MeterProvider([reader], resource))


def sdk(name: str) -> Any:
    return module(f"opentelemetry.sdk.{name}")


def module(name: str) -> Any:
    return import_module(name)
