"""The records that loopwatch gives out, under their public name."""

from loopwatch.core.record_types import (
    NONE,
    OTHER,
    BlameReading,
    Blocker,
    Contributor,
    Frame,
    GilHolder,
    Instrument,
    LoopReading,
    RequestReading,
    Site,
    SiteReading,
    Snapshot,
    Source,
    Stall,
    ThreadPoolReading,
)

__all__ = [
    "NONE",
    "OTHER",
    "BlameReading",
    "Blocker",
    "Contributor",
    "Frame",
    "GilHolder",
    "Instrument",
    "LoopReading",
    "RequestReading",
    "Site",
    "SiteReading",
    "Snapshot",
    "Source",
    "Stall",
    "ThreadPoolReading",
]
