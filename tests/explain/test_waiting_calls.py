"""Advice for calls that really wait, photographed as the watchdog would."""

import concurrent.futures
import contextlib
import http.client
import logging
import logging.handlers
import queue
import smtplib
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable

import httpx
import openai
import pytest
import requests

from loopwatch.core.evidence import Spot
from loopwatch.core.record_types import Stall
from loopwatch.explain.advice import Adviser
from loopwatch.explain.site import frames, site, site_spot

ADVISER = Adviser()
LOCK = threading.Lock()
WAIT = 1.0  # s until a call gives up


def log_slowly(port: int) -> None:
    handler = logging.handlers.SMTPHandler(("127.0.0.1", port), "a", ["b"], "c", timeout=WAIT)
    handler.handleError = lambda record: None  # type: ignore[method-assign]
    handler.handle(logging.LogRecord("shop", logging.INFO, __file__, 1, "sold", (), None))


def ask_openai(port: int) -> None:
    base = f"http://127.0.0.1:{port}"
    with openai.OpenAI(base_url=base, api_key="none", timeout=WAIT, max_retries=0) as client:
        client.chat.completions.create(model="none", messages=[])


def ask_httpx(port: int) -> None:
    with httpx.Client(timeout=WAIT, verify=False) as client:
        client.get(f"http://127.0.0.1:{port}")


def ask_http_client(port: int) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)) as client:
        client.request("GET", "/")
        client.getresponse()


def ask_socket(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), WAIT) as connection:
        connection.recv(1)


def held_lock(port: int) -> None:
    with LOCK:
        LOCK.acquire(timeout=WAIT)


def join(port: int) -> None:
    thread = threading.Timer(WAIT, print, [""], {"end": ""})
    thread.start()
    thread.join()


CALLS: dict[str, tuple[Callable[[int], object], str]] = {
    "sleep": (lambda port: time.sleep(WAIT), "asyncio.sleep"),
    "requests": (
        lambda port: requests.get(f"http://127.0.0.1:{port}", timeout=WAIT),
        "instead of requests",
    ),
    "httpx": (ask_httpx, "Use httpx.AsyncClient, and await"),
    "openai": (ask_openai, "AsyncOpenAI"),
    "urllib": (
        lambda port: urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=WAIT),
        "instead of urllib",
    ),
    "http.client": (ask_http_client, "instead of urllib"),
    "smtplib": (lambda port: smtplib.SMTP("127.0.0.1", port, timeout=WAIT), "aiosmtplib"),
    "socket": (ask_socket, "asyncio.open_connection"),
    "queue": (lambda port: queue.Queue[int]().get(timeout=WAIT), "asyncio.Queue"),
    "event": (lambda port: threading.Event().wait(WAIT), "asyncio.Event"),
    "lock": (held_lock, "asyncio.Lock"),
    "future": (
        lambda port: concurrent.futures.Future[int]().result(timeout=WAIT),
        "asyncio.wrap_future",
    ),
    "thread": (join, "Do not wait for the thread"),
    "subprocess": (
        lambda port: subprocess.run(["sleep", str(WAIT)], check=True),
        "create_subprocess_exec",
    ),
    "logging": (log_slowly, "QueueHandler"),
}


def run(call: Callable[[int], object], port: int) -> None:
    with contextlib.suppress(Exception):
        call(port)


def sample_stack(thread: threading.Thread) -> tuple[Spot, ...]:
    """Return where a thread is within its call, innermost first."""
    frame, spots = sys._current_frames().get(thread.ident or 0), []
    while frame is not None and frame.f_code is not run.__code__:
        module = str(frame.f_globals["__name__"])
        spots.append(Spot(frame.f_code, frame.f_lasti, frame.f_lineno, module))
        frame = frame.f_back
    return tuple(spots) if frame is not None else ()


@pytest.fixture(scope="module")
def waits() -> dict[str, tuple[Spot, ...]]:
    """Where each of `CALLS` was seen most often, all of them waiting at once."""
    seen: dict[str, Counter[tuple[Spot, ...]]] = {name: Counter() for name in CALLS}
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections, answers none
        port = deaf.getsockname()[1]
        threads = {
            name: threading.Thread(target=run, args=(call, port))
            for name, (call, _) in CALLS.items()
        }
        for thread in threads.values():
            thread.start()
        while any(thread.is_alive() for thread in threads.values()):
            for name, thread in threads.items():
                seen[name].update([spots] if (spots := sample_stack(thread)) else [])
            time.sleep(0.03)
    return {name: places.most_common(1)[0][0] for name, places in seen.items()}


@pytest.mark.parametrize("name", CALLS)
def test_calls_that_really_wait(name: str, waits: dict[str, tuple[Spot, ...]]) -> None:
    """Photographed while they do, as the watchdog would."""
    spot = site_spot(waits[name])
    assert spot is not None
    stack = frames(waits[name])
    stall = Stall(started_at=0.0, duration=1.0, cause="blocking_call", site=site(spot), stack=stack)
    assert CALLS[name][1] in ADVISER.advise(stall)
