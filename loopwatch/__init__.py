"""loopwatch names the line that blocks your asyncio event loop."""

from loopwatch.histogram import Histogram
from loopwatch.metrics import metrics
from loopwatch.middleware import LoopWatchMiddleware
from loopwatch.page import page
from loopwatch.records import Frame, Instrument, Site, Snapshot, Source, Stall
from loopwatch.timed import timed
from loopwatch.version import __version__
from loopwatch.watch import Watch

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
