"""`/livez` as an ASGI app, for a port whose thread is not the loop's: is the loop alive?"""

from __future__ import annotations

import json

from loopwatch.watch.watch import Watch
from loopwatch.web.answering import Answer, Answering, App, Body, Question, Scope

SHARE = 1.0  # of the time may go into it: it takes little, and must be of now


def livez(watch: Watch) -> App:
    """Return the app: 200, or 503 once a loop has been held for `live_after`, with JSON."""
    return Livez(watch)


class Livez(Answering):
    def __init__(self, watch: Watch) -> None:
        super().__init__("loopwatch-livez", SHARE, 0.0)
        self._watch = watch

    def find(self, scope: Scope) -> Question:
        return Question("livez", self._answer_now)

    def _answer_now(self) -> Answer:
        alive, report = self._watch.liveness()
        body = Body(json.dumps(report).encode(), "application/json")
        return Answer(200 if alive else 503, body)
