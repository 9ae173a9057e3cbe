"""loopwatch names the line that blocks your asyncio event loop."""

from typing import TYPE_CHECKING

from loopwatch.core.histogram import Histogram
from loopwatch.core.record_types import Frame, Instrument, Site, Snapshot, Source, Stall
from loopwatch.core.version import __version__
from loopwatch.watch.timed import timed
from loopwatch.watch.watch import Watch
from loopwatch.web.middleware import LoopWatchMiddleware

if TYPE_CHECKING:
    from loopwatch.web.metrics_app import metrics
    from loopwatch.web.page import page
else:

    def __getattr__(name):
        """Import what serves HTTP where it is first named: in the app's own imports, if at all."""
        if name == "metrics":
            from loopwatch.web.metrics_app import metrics as found
        elif name == "page":
            from loopwatch.web.page import page as found
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found

    def __dir__():
        return sorted({*globals(), *__all__})


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
