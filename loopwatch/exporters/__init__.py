"""Where stalls and snapshots go: the log, OpenTelemetry, Prometheus."""
