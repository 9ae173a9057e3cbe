"""The answers for the page's paths, from a watch. One thread at a time calls them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from loopwatch.core.plain import members
from loopwatch.core.record_types import Stall
from loopwatch.watch.watch import Watch
from loopwatch.web.answering import Body
from loopwatch.web.page.what_if import WhatIfs

JSON = "application/json"
REQUESTS = 100  # in flight that are told


class Answers:
    """The bodies made from one watch's snapshot and stalls."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._what_ifs = WhatIfs()
        self._texts: dict[int, tuple[Stall, str]] = {}

    def snapshot(self) -> Body:
        """Return `snapshot().to_dict()` and `what_if` as JSON.

        A dump keeps the GIL, except when it reads a record's members; it does so for each row.
        """
        snapshot = self._watch.snapshot()
        parts = {
            name: dumped(value)
            for name, value in members(dataclasses.replace(snapshot, stalls=())).items()
        }
        parts["stalls"] = self._array(snapshot.stalls)
        parts["what_if"] = dumped(self._what_ifs.of(snapshot))
        return Body(json_object(parts), JSON)

    def requests(self) -> Body:
        """Return the oldest requests in flight, oldest first."""
        found = self._watch.requests_in_flight(REQUESTS)
        parts = {"requests": f"[{','.join(map(dumped, found))}]"}
        return Body(json_object(parts), JSON)

    def stalls(self) -> Body:
        return Body(json_object({"stalls": self._array(self._watch.stalls)}), JSON)

    def folded(self, of: str) -> Body:
        return Body(self._watch.flamegraph_folded(of).encode(), "text/plain; charset=utf-8")

    def speedscope(self, of: str) -> Body:
        return Body(dumped(self._watch.speedscope(of)).encode(), JSON)

    def pprof(self) -> Body:
        """Return the loop's busy time; raises ImportError without the extra for it."""
        return Body(self._watch.pprof(), "application/octet-stream")

    def trace(self, seconds: float) -> Body:
        """Return the last seconds of all loops as Chrome trace events."""
        return Body(self._watch.trace(seconds), JSON)

    def _array(self, stalls: tuple[Stall, ...]) -> str:
        """Return stalls as JSON. A stall never changes, so each is dumped only once."""
        known = self._texts
        self._texts = {
            id(stall): known.get(id(stall)) or (stall, dumped(stall)) for stall in stalls
        }
        return f"[{','.join(text for _, text in self._texts.values())}]"


def dumped(value: Any) -> str:
    """Return ASCII JSON, also of records; raises ValueError for NaN and Infinity."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"), default=members)


def json_object(parts: dict[str, str]) -> bytes:
    """Return a JSON object from values that are already JSON."""
    return "{{{}}}".format(",".join(f"{dumped(k)}:{v}" for k, v in parts.items())).encode()
