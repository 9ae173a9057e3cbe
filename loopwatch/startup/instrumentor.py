"""For `opentelemetry-instrument`: stall spans of a program and its workers, with no code change.

OpenTelemetry finds it by the entry point `opentelemetry_instrumentor`. Options are `LOOPWATCH_*`
variables; no admin port opens and no summary is written unless they say so.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from loopwatch.startup import patches


class LoopWatchInstrumentor(BaseInstrumentor):  # type: ignore[misc, unused-ignore]
    """`LoopWatchInstrumentor().instrument()` watches every loop that begins to run afterwards, and
    the ASGI apps of the servers that are known; `uninstrument()` undoes it."""

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        patches.install()

    def _uninstrument(self, **kwargs: Any) -> None:
        patches.uninstall()
