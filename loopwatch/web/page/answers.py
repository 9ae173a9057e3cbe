"""What the page's paths answer, from a watch. Called in one thread at a time."""

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


class Answers:
    """The bodies made from one watch's snapshot and stalls."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._what_ifs = WhatIfs()
        self._texts: dict[int, tuple[Stall, str]] = {}

    def snapshot(self) -> Body:
        """Return `snapshot().to_dict()` and `what_if` as JSON.

        A dump keeps the GIL but where it asks for a record's members, which it does for each row.
        """
        snapshot = self._watch.snapshot()
        parts = {
            name: dumped(value)
            for name, value in members(dataclasses.replace(snapshot, stalls=())).items()
        }
        parts["stalls"] = self._array(snapshot.stalls)
        parts["what_if"] = dumped(self._what_ifs.of(snapshot))
        return Body(json_object(parts), JSON)

    def stalls(self) -> Body:
        return Body(json_object({"stalls": self._array(self._watch.stalls)}), JSON)

    def folded(self) -> Body:
        return Body(self._watch.flamegraph_folded().encode(), "text/plain; charset=utf-8")

    def speedscope(self) -> Body:
        return Body(dumped(self._watch.speedscope()).encode(), JSON)

    def _array(self, stalls: tuple[Stall, ...]) -> str:
        """Return stalls as JSON. One never changes, so it is dumped once while it is kept."""
        known = self._texts
        self._texts = {
            id(stall): known.get(id(stall)) or (stall, dumped(stall)) for stall in stalls
        }
        return f"[{','.join(text for _, text in self._texts.values())}]"


def dumped(value: Any) -> str:
    """Return ASCII JSON, of records too; raises ValueError rather than write NaN or Infinity."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"), default=members)


def json_object(parts: dict[str, str]) -> bytes:
    """Return a JSON object of values that are JSON already."""
    return "{{{}}}".format(",".join(f"{dumped(k)}:{v}" for k, v in parts.items())).encode()
