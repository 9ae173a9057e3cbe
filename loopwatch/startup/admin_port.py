"""A process's own admin port: `/metrics`, `/livez` and the live page, on threads of its own.

What `loopwatch run` serves with uvicorn, without uvicorn: the program may not have it. Each worker
has a port, the first free one from a number on. Where `PROMETHEUS_MULTIPROC_DIR` is set, any of
them answers `/metrics` for all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from prometheus_client import REGISTRY

from loopwatch.core.guard import log_once
from loopwatch.core.hosts import is_loopback, is_welcome
from loopwatch.exporters.port import MetricsPort
from loopwatch.watch.watch import Watch
from loopwatch.web.answering import HEADERS, Answer, Answering, text_answer
from loopwatch.web.livez import Livez
from loopwatch.web.metrics_app import Metrics
from loopwatch.web.page.app import Page


class AdminPort(MetricsPort):
    """Serves one watch while it is open; `say` is told the address."""

    name = "admin"

    def __init__(self, watch: Watch, host: str, first: int, say: Callable[[str], None]) -> None:
        super().__init__(REGISTRY, host, first)
        self._watch, self._say, self._asked = watch, say, host

    def say_where(self, url: str) -> None:
        self._say(f"live page {url}/, metrics {url}/metrics")
        if not is_loopback(self._asked):
            self._say(
                f"every client that reaches {self._asked} can read function names, files, routes"
            )

    def app(self, address: str) -> AdminApp:
        return AdminApp(self._watch, self._asked, address)


class AdminApp:
    """The WSGI app: what it answers, and to whom."""

    def __init__(self, watch: Watch, host: str, address: str) -> None:
        self._host, self._address = host, address
        self._page = Page(watch)
        self._others = {"/metrics": Metrics(REGISTRY), "/livez": Livez(watch)}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        answering: Answering = self._others.get(environ.get("PATH_INFO", ""), self._page)
        answer = self._answer(environ, answering)
        headers = (
            ("content-type", answer.body.kind),
            ("content-length", str(len(answer.body.data))),
            ("content-security-policy", answering.policy),
        )
        status = f"{answer.status} {HTTPStatus(answer.status).phrase}"
        start_response(status, [*headers, *HEADERS, *answer.headers])
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [answer.body.data]

    def _answer(self, environ: dict[str, Any], answering: Answering) -> Answer:
        if not is_welcome(environ.get("HTTP_HOST", ""), self._host, self._address):
            return text_answer(421, "this port is not that host's")
        try:
            return answering.answer(scope_of(environ))
        except Exception:
            log_once("loopwatch.startup.admin_port")
            return text_answer(500, "the answer could not be made; the log says why")


def scope_of(environ: dict[str, Any]) -> dict[str, Any]:
    """Return what of a request an `Answering` reads, as ASGI has it."""
    headers = [
        (name[5:].replace("_", "-").lower().encode(), str(value).encode("latin-1", "replace"))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    return {
        "type": "http",
        "method": environ.get("REQUEST_METHOD", "GET"),
        "path": environ.get("PATH_INFO") or "/",
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
        "headers": headers,
    }


def on_standard_error(text: str) -> None:
    """Write lines where the process began to write its errors; nothing if that is closed."""
    stream = sys.__stderr__
    try:
        if stream is not None:
            stream.write(text)
            stream.flush()
    except (OSError, ValueError):
        return
