"""What a metrics port answers: a registry's metrics and `/livez`, as a WSGI app.

`/livez` is answered by itself: it works while a collector hangs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, make_wsgi_app

from loopwatch.core.guard import log_once
from loopwatch.core.hosts import is_welcome
from loopwatch.exporters.shared_answers import BusyError, SharedAnswers

Livez: TypeAlias = Callable[[], tuple[bool, dict[str, Any]]]

SHARE = 0.05  # of the time may go into making answers
LONGEST = 1.0  # s, at most, for which an answer is told again because of that
WAITING = 16  # askers that wait for metrics: fewer than the connections that there may be
ASKED = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING")


class Answer(NamedTuple):
    status: str
    headers: list[tuple[str, str]]
    body: list[bytes]


def told(status: str, text: str, *headers: tuple[str, str]) -> Answer:
    """Return an answer of one line of text."""
    kind = ("content-type", "text/plain; charset=utf-8")
    return Answer(status, [kind, *headers], [f"{text}\n".encode()])


class MetricsApp:
    """Answers for one registry, on a port that `host` and its `address` name."""

    def __init__(
        self, registry: CollectorRegistry, host: str, address: str, livez: Livez | None
    ) -> None:
        self._metrics, self._livez = make_wsgi_app(registry), livez
        self._host, self._address = host, address
        self._answers = SharedAnswers("loopwatch-scrape", SHARE, LONGEST, WAITING)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        answer = self._answer(environ)
        start_response(answer.status, answer.headers)
        return answer.body

    def _answer(self, environ: dict[str, Any]) -> Answer:
        if not is_welcome(environ.get("HTTP_HOST", ""), self._host, self._address):
            return told("421 Misdirected Request", "this port is not that host's")
        try:
            if self._livez is not None and environ.get("PATH_INFO") == "/livez":
                return liveness(self._livez)
            return self._shared(environ)
        except BusyError as busy:
            retry = ("retry-after", str(busy.retry_after))
            return told("503 Service Unavailable", f"{busy}; ask later", retry)
        except Exception:
            log_once("loopwatch.exporters.wsgi_app")
            return told(
                "500 Internal Server Error", "the answer could not be made; the log says why"
            )

    def _shared(self, environ: dict[str, Any]) -> Answer:
        question = tuple(environ.get(name) for name in ASKED)
        answer: Answer = self._answers.answer(question, partial(answered, self._metrics, environ))
        return answer


def liveness(livez: Livez) -> Answer:
    alive, report = livez()
    status = "200 OK" if alive else "503 Service Unavailable"
    headers = [("content-type", "application/json"), ("cache-control", "no-store")]
    return Answer(status, headers, [json.dumps(report).encode()])


def answered(app: Any, environ: dict[str, Any]) -> Answer:
    """Return what a WSGI app answers."""
    begun: list[Any] = []
    body = app(environ, lambda status, headers: begun.extend((status, headers)))
    status, headers = begun
    return Answer(status, headers, body)
