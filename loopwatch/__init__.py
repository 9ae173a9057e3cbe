"""loopwatch names the line that blocks your asyncio event loop."""

from loopwatch.core.histogram import Histogram
from loopwatch.core.record_types import Frame, Instrument, Site, Snapshot, Source, Stall
from loopwatch.core.version import __version__
from loopwatch.watch.timed import timed
from loopwatch.watch.watch import Watch
from loopwatch.web.metrics_app import metrics
from loopwatch.web.middleware import LoopWatchMiddleware
from loopwatch.web.page import page

__all__ = [
    "Frame",
    "Histogram",
    "Instrument",
    "LoopWatchMiddleware",
    "Site",
    "Snapshot",
    "Source",
    "Stall",
    "Watch",
    "__version__",
    "metrics",
    "page",
    "timed",
]
