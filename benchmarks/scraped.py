"""A full watch that is scraped over HTTP by its own app, and what its loop feels of that."""

from __future__ import annotations

import asyncio
import http.client
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
from child import HERE
from full import fill
from prometheus_client import CollectorRegistry

from loopwatch import LoopWatchMiddleware, Watch
from loopwatch.exporters.exposition import render

ACCEPT = "application/openmetrics-text; version=1.0.0"
HEART = 0.001  # s between two looks at the clock, on the loop


class Felt(NamedTuple):
    loop: str
    scrapes: int
    longest_tick: float  # s
    stalls: int
    longest_scrape: float  # s

    def row(self) -> list[str]:
        what = "scraped every second" if self.scrapes else "left alone"
        numbers = f"{self.longest_tick * 1e3:.1f}", str(self.stalls)
        slowest = f"{self.longest_scrape * 1e3:.0f}" if self.scrapes else ""
        return [f"{self.loop}, {what}", str(self.scrapes), *numbers, slowest]
