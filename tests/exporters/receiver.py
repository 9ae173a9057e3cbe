"""A small OTLP receiver: keeps what real exporters send over HTTP or gRPC, decoded."""

import gzip
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

PROTOCOLS = ("grpc", "http/protobuf")
Traces = trace_service_pb2.ExportTraceServiceRequest
Metrics = metrics_service_pb2.ExportMetricsServiceRequest
PATIENCE = 15.0  # s


class Receiver:
    """What has been received, and where to send it."""

    def __init__(self, protocol: str, address: str) -> None:
        self.protocol, self.address = protocol, address
        self.traces: list[Any] = []  # requests, decoded
        self.metrics: list[Any] = []

    @property
    def environment(self) -> dict[str, str]:
        """What an exporter must be told."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.address,
            "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol,
        }

    def spans(self) -> list[Any]:
        return [
            span
            for request in [*self.traces]
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def instruments(self) -> dict[str, Any]:
        """Return the metrics of loopwatch's meter by name, as sent last."""
        return {
            metric.name: metric
            for request in [*self.metrics]
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            if scope.scope.name == "loopwatch"
            for metric in scope.metrics
        }

    def resources(self) -> list[dict[str, Any]]:
        """Return the resource attributes of everything received."""
        told = [r.resource for m in [*self.traces] for r in m.resource_spans]
        told += [r.resource for m in [*self.metrics] for r in m.resource_metrics]
        return [attributes(resource) for resource in told]

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        """Return what the condition does, once that is something."""
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{len(self.traces)=} {len(self.metrics)=}"
            time.sleep(0.05)
        return found


def attributes(told: Any) -> dict[str, Any]:
    """Return the attributes of a span, a data point or a resource, each as OTLP types it."""
    return {a.key: getattr(a.value, str(a.value.WhichOneof("value"))) for a in told.attributes}


@contextmanager
def receiving(protocol: str = "http/protobuf") -> Iterator[Receiver]:
    """Receive on a free port of 127.0.0.1."""
    with over_grpc() if protocol == "grpc" else over_http() as receiver:
        yield receiver


@contextmanager
def over_grpc() -> Iterator[Receiver]:
    server = grpc.server(ThreadPoolExecutor(2))
    port = server.add_insecure_port("127.0.0.1:0")
    receiver = Receiver("grpc", f"http://127.0.0.1:{port}")

    class TraceService(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
            receiver.traces.append(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    class MetricsService(metrics_service_pb2_grpc.MetricsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
            receiver.metrics.append(request)
            return metrics_service_pb2.ExportMetricsServiceResponse()

    add_traces: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add_traces(TraceService(), server)
    add_metrics: Any = metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server
    add_metrics(MetricsService(), server)
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()


@contextmanager
def over_http() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                receiver.traces.append(Traces.FromString(body))
            elif self.path == "/v1/metrics":
                receiver.metrics.append(Metrics.FromString(body))
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver("http/protobuf", f"http://127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
