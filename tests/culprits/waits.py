"""Calls of libraries that block: sockets, files, locks, processes, imports, templates."""

import asyncio
import contextlib
import importlib
import importlib.util
import logging
import os
import queue
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import requests
from fastapi import APIRouter
from openai import AsyncOpenAI, OpenAI

from tests.culprits.calibration import long_enough
from tests.culprits.places import BLOCK
from tests.culprits.standin import start_service

waits = APIRouter()
SERVICE = start_service()
POOL = ThreadPoolExecutor(2)
SCRATCH = Path(os.environ["SCRATCH"])  # an empty directory


@waits.get("/subprocess")
async def run_subprocess() -> None:
    subprocess.run(["sleep", str(BLOCK)], check=True)  # culprit: subprocess


def hold(lock: threading.Lock, held: threading.Event) -> None:
    with lock:
        held.set()
        time.sleep(BLOCK)


@waits.get("/lock")
async def acquire() -> None:
    lock, held = threading.Lock(), threading.Event()
    threading.Thread(target=hold, args=(lock, held)).start()
    held.wait()
    lock.acquire()  # culprit: lock


@waits.get("/queue")
async def get_from_queue() -> None:
    empty: queue.Queue[int] = queue.Queue()
    with contextlib.suppress(queue.Empty):
        empty.get(timeout=BLOCK)  # culprit: queue


@waits.get("/requests")
async def get_with_requests() -> None:
    requests.get(f"{SERVICE}/slow", timeout=10)  # culprit: requests


CLIENT = httpx.Client(trust_env=False)


@waits.get("/httpx")
async def get_with_httpx() -> None:
    CLIENT.get(f"{SERVICE}/slow")  # culprit: httpx


QUESTION: Any = {"model": "none", "messages": [{"role": "user", "content": ""}]}
HASTY = OpenAI(api_key="none", base_url=f"{SERVICE}/fast")
HASTY.chat.completions.create(**QUESTION)  # what it imports late is imported now
SLOW = OpenAI(api_key="none", base_url=f"{SERVICE}/slow")


@waits.get("/openai")
async def ask_openai() -> None:
    SLOW.chat.completions.create(**QUESTION)  # culprit: openai


COUNT = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT {}) SELECT sum(x) FROM n"
)
DATABASE = sqlite3.connect(":memory:", check_same_thread=False)
ROWS = long_enough(lambda n: lambda: DATABASE.execute(COUNT.format(n)).fetchall(), 100_000)


@waits.get("/sqlite_query")
async def query_sqlite() -> None:
    DATABASE.execute(COUNT.format(ROWS)).fetchall()  # culprit: sqlite_query


FILE = SCRATCH / "locked.db"
WRITER = sqlite3.connect(FILE, isolation_level=None, check_same_thread=False)
WRITER.execute("BEGIN EXCLUSIVE")
READER = sqlite3.connect(FILE, timeout=BLOCK, isolation_level=None, check_same_thread=False)


@waits.get("/sqlite_locked")
async def wait_for_sqlite() -> None:
    with contextlib.suppress(sqlite3.OperationalError):
        READER.execute("BEGIN IMMEDIATE")  # culprit: sqlite_locked


# A resolver that does not answer cannot be set up without root: the C call is exchanged for one
# that only waits, made to look like the standard library's own code.
AS_IN_SOCKET = {"__name__": "socket", "sleep": time.sleep}
SLOW_LOOKUP = eval(compile("lambda *_: sleep(0.2) or []", socket.__file__, "eval"), AS_IN_SOCKET)


@waits.get("/dns")
async def resolve() -> None:
    resolver: Any = socket._socket  # type: ignore[attr-defined]
    lookup, resolver.getaddrinfo = resolver.getaddrinfo, SLOW_LOOKUP
    try:
        socket.getaddrinfo("slow.invalid", 80)  # culprit: dns
    finally:
        resolver.getaddrinfo = lookup


@waits.get("/thread_join")
async def join() -> None:
    thread = threading.Thread(target=asyncio.run, args=(asyncio.sleep(BLOCK),))
    thread.start()
    thread.join()  # culprit: thread_join


@waits.get("/future_result")
async def wait_for_future() -> None:
    future = POOL.submit(asyncio.run, asyncio.sleep(BLOCK))
    future.result()  # culprit: future_result


def full_pipe() -> tuple[int, int]:
    """Return the ends of a pipe into which nothing more can be written."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"." * 4096)
    os.set_blocking(writing, True)
    return reading, writing


def read_late(reading: int) -> None:
    time.sleep(BLOCK)
    os.read(reading, 1 << 20)


LOG = logging.getLogger("tests.culprits.slow")
LOG.propagate = False


@waits.get("/logging")
async def log() -> None:
    """Logs to a handler whose stream is read late, such as a terminal that was stopped."""
    reading, writing = full_pipe()
    with open(writing, "w", encoding="utf-8") as stream, open(reading, "rb"):
        LOG.handlers = [logging.StreamHandler(stream)]
        reader = threading.Thread(target=read_late, args=(reading,))
        reader.start()
        LOG.warning("what nobody reads")  # culprit: logging
        reader.join()


def installed_package() -> Path:
    """Return a directory that looks like installed code, with a big module in it."""
    packages = SCRATCH / "site-packages"
    packages.mkdir()
    function = "def f{0}(a, b=1):\n    c = [a, b, {0}]\n    return [x for x in c if x != b]\n"

    def source(size: int) -> str:
        return "".join(function.format(number) for number in range(size))

    size = long_enough(lambda size: partial(compile, source(size), "big", "exec"), 1000)
    (packages / "culprits_big.py").write_text(source(size), encoding="utf-8")
    return packages


sys.path.append(str(installed_package()))


@waits.get("/import")
async def import_lately() -> None:
    sys.modules.pop("culprits_big", None)
    import culprits_big  # type: ignore[import-not-found] # noqa: F401 # culprit: import


@waits.get("/import_own")
async def import_own_lately() -> None:
    sys.modules.pop("tests.culprits.slow_module", None)
    import tests.culprits.slow_module  # noqa: F401


if importlib.util.find_spec("jinja2") is not None:
    jinja2 = importlib.import_module("jinja2")
    LOADER = jinja2.FileSystemLoader(Path(__file__).parent)
    TEMPLATES = jinja2.Environment(loader=LOADER, autoescape=True)
    PAGE = TEMPLATES.get_template("page.html")
    ITEMS = long_enough(lambda n: lambda: PAGE.render(items=range(n)), 10_000)

    @waits.get("/template")
    async def render() -> None:
        PAGE.render(items=range(ITEMS))  # culprit: template


@waits.get("/good/httpx")
async def good_httpx() -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"{SERVICE}/slow")


@waits.get("/good/openai")
async def good_openai() -> None:
    async with AsyncOpenAI(api_key="none", base_url=f"{SERVICE}/slow") as client:
        await client.chat.completions.create(**QUESTION)


@waits.get("/good/subprocess")
async def good_subprocess() -> None:
    process = await asyncio.create_subprocess_exec("sleep", str(BLOCK))
    await process.wait()


@waits.get("/good/future_result")
async def good_future_result() -> None:
    await asyncio.wrap_future(POOL.submit(asyncio.run, asyncio.sleep(BLOCK)))
