"""Advice: for the very call, however it is written; failing that, by cause."""

import concurrent.futures
import contextlib
import http.client
import logging
import logging.handlers
import queue
import smtplib
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import openai
import pytest
import requests

from loopwatch.core.causes import Cause
from loopwatch.core.evidence import Spot
from loopwatch.core.record_types import Contributor, Frame, GilHolder, Site, Stall
from loopwatch.explain import setup_remedies, waiting_remedies, working_remedies
from loopwatch.explain.advice import Adviser
from loopwatch.explain.call_names import called
from loopwatch.explain.circumstance import BY_CAUSE
from loopwatch.explain.observation import Observation
from loopwatch.explain.remedies import REMEDIES
from loopwatch.explain.site import frames, site, site_spot

ADVISER = Adviser()
LOCK = threading.Lock()
SHOP = """
import hashlib, json, os, pathlib, re, socket, subprocess, time, zlib
import time as t
from copy import deepcopy as clone
from time import sleep as nap
from socket import getaddrinfo as find
LOCK = __import__("threading").Lock()
PATTERN = re.compile("(a+)+$")
"""


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stall]:
    """Makes stalls of a module `shop` that imports what `SHOP` and others do."""
    module = ModuleType("shop")
    exec(SHOP, vars(module))
    monkeypatch.setitem(sys.modules, "shop", module)

    def make(code: str, cause: Cause = "blocking_call", *inside: str, **names: Any) -> Stall:
        vars(module).update(names)
        here = Frame("shop.main.handler", "/app/shop.py", 7)
        below = tuple(Frame(name, "/x/site-packages/x.py", 1) for name in inside)
        return Stall(
            started_at=0.0,
            duration=0.5,
            cause=cause,
            site=Site(here.function, here.file, here.line, code),
            stack=(Frame("requests.middleware", "/x/site-packages/x.py", 3), here, *below),
        )

    return make


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("time.sleep(0.5)", ["time.sleep"]),
        ("client.get(url)", ["client.get"]),
        ("await client.get(url)", []),
        ("open(path).read()", ["?.read", "open"]),
        ("requests.get(a, b=[f(x) for x in y]).json()", ["?.json", "requests.get"]),
        ("self.pool[0].execute('select (')", ["?.execute"]),
        ('", ".join(slow(x) for x in y)', ["?.join"]),
        ('db.run("""it\'s ) all""", f\'{a["x"]}\')', ["db.run"]),
        ("client.chat.completions.create( model='a', messages=[{'a'", ["client.chat.completions"]),
        ("text = json.dumps(x)", ["json.dumps"]),
        ("a, b.c = json.loads(x)", ["json.loads"]),
        ("return t.sleep(1)", ["t.sleep"]),
        ("rows = await get(y)", []),
        ("with self._lock:", ["self._lock.__enter__"]),
        ("with LOCK as held:", ["LOCK.__enter__"]),
        ("f(a) + g(b)", []),
        ("x = 3**n", []),
        ("", []),
    ],
)
def test_a_call_is_known_as_it_is_written(code: str, names: list[str]) -> None:
    found = [name for name in called(code) if name]
    assert [name[: len(wanted)] for name, wanted in zip(found, names, strict=True)] == names


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("time.sleep(0.5)", "await asyncio.sleep(...)"),
        ("t.sleep(0.5)", "await asyncio.sleep(...)"),
        ("nap(0.5)", "await asyncio.sleep(...)"),
        ("find(host, 80)", "loop.getaddrinfo"),
        ("socket.gethostbyname(host)", "loop.getaddrinfo"),
        ("sock.recv(1024)", "asyncio.open_connection"),
        ("subprocess.run(['x'])", "create_subprocess_exec"),
        ("os.system('x')", "create_subprocess_exec"),
        ("LOCK.acquire()", "asyncio.Lock"),
        ("with LOCK:", "asyncio.Lock"),
        ("with self.write_lock:", "asyncio.Lock"),
        ("future.result()", "asyncio.wrap_future"),
        ("worker_thread.join()", "Do not wait for the thread"),
        ("open(path)", "aiofiles"),
        ("open(path).read()", "aiofiles"),
        ("pathlib.Path(path).read_bytes()", "aiofiles"),
        ("os.fsync(file)", "aiofiles"),
        ("input('name? ')", "a person types slowly"),
        ("cursor.execute(query)", "the database's asyncio driver"),
        ("client.chat.completions.create(model='x')", "AsyncOpenAI"),
        ("something.unheard_of()", BY_CAUSE["blocking_call"]),
    ],
)
def test_waiting_calls(shop: Callable[..., Stall], code: str, words: str) -> None:
    """An alias, a global object and a method of who knows what are seen through."""
    assert words in ADVISER.advise(shop(code))


@pytest.mark.parametrize("cause", ["cpu", "native_gil"])
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("json.dumps(everything)", "json keeps the GIL"),
        ("re.match('(a+)+$', text)", "nested repetition"),
        ("PATTERN.match(text)", "nested repetition"),
        ("clone(tree)", "Copy only what will change"),
        ("sorted(rows)", "Sort less"),
        ("rows.sort(key=age)", "Sort less"),
        ("page.model_dump_json()", "paginate"),
        ("hashlib.pbkdf2_hmac('sha256', a, b, 10**6)", "a thread does help"),
        ("zlib.compress(data, 9)", "a thread does help"),
    ],
)
def test_working_calls(shop: Callable[..., Stall], code: str, words: str, cause: Cause) -> None:
    assert words in ADVISER.advise(shop(code, cause))


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("boto3.session", "aioboto3"),
        ("sqlalchemy.orm.session", "create_async_engine"),
        ("redis.client", "redis.asyncio"),
        ("pymongo.collection", "AsyncMongoClient"),
        ("pymysql.cursors", "aiomysql"),
        ("psycopg.cursor", "psycopg.AsyncConnection"),
        ("urllib3.connectionpool", "httpx.AsyncClient"),
        ("django.db.models.query", "sync_to_async"),
        ("httpx._client.AsyncClient", "Look inside"),
        ("importlib", "at the top of the module"),
    ],
)
def test_a_library_is_known_by_its_frames(
    shop: Callable[..., Stall], package: str, words: str
) -> None:
    """The frames inside the call, not those that led to it."""
    assert words in ADVISER.advise(shop("it.go(1)", "blocking_call", f"{package}.X.go"))


def test_documents_want_a_process_for_work_and_a_thread_for_waiting(
    shop: Callable[..., Stall],
) -> None:
    inside = "pdfplumber.page.Page.extract_text"
    assert "another process" in ADVISER.advise(shop("p.extract_text()", "cpu", inside))
    assert "to_thread" in ADVISER.advise(shop("p.extract_text()", "blocking_call", inside))


@pytest.mark.parametrize(
    ("driver", "words"),
    [("sqlite3", "aiosqlite"), ("psycopg2", "instead of psycopg2"), ("MySQLdb", "aiomysql")],
)
@pytest.mark.parametrize("code", ["db.execute(q)", "self.db.cursor().fetchall()", "with db:"])
def test_a_driver_in_c_is_known_by_what_the_module_imports(
    shop: Callable[..., Stall], driver: str, words: str, code: str
) -> None:
    assert words in ADVISER.advise(shop(code, "blocking_call", **{driver: ModuleType(driver)}))


def test_an_object_among_the_module_s_names_tells_its_library(shop: Callable[..., Stall]) -> None:
    connection = sqlite3.connect(":memory:")
    assert "aiosqlite" in ADVISER.advise(shop("db.backup(other)", db=connection))
    connection.close()


def test_looking_names_up_runs_nothing_of_the_app(shop: Callable[..., Stall]) -> None:
    def asked(*of_whom: object) -> None:
        raise AssertionError(of_whom[1:])

    body = {"__class__": property(asked), "inner": property(asked), "__getattr__": asked}
    trap = type("Trap", (), body)()
    stall = shop("trap.inner.execute(q)", trap=trap)
    assert "the database's asyncio driver" in ADVISER.advise(stall)


def test_the_user_s_own_rows_come_first(shop: Callable[..., Stall]) -> None:
    adviser = Adviser(
        {
            "acme.db": "Use acme.aio.",
            "time.sleep": "Use the clock of acme.",
            "*.run_report": "Send it to the queue.",
            "shop.main": "Ask the team of shop.",
        }
    )
    assert adviser.advise(shop("db.go()", "cpu", "acme.db.Query.go")) == "Use acme.aio."
    assert adviser.advise(shop("nap(1)")) == "Use the clock of acme."
    assert adviser.advise(shop("x().run_report(1)")) == "Send it to the queue."
    assert adviser.advise(shop("unheard.of()")) == "Ask the team of shop."
    assert "gc.freeze()" in adviser.advise(shop("nap(1)", "gc"))


def test_a_name_counts_up_to_its_dots(shop: Callable[..., Stall]) -> None:
    stall = shop("it.go(1)", "blocking_call", "requests_toolbelt.x", "mytime.sleep")
    assert "asyncio interface of requests_toolbelt" in ADVISER.advise(stall)


@pytest.mark.parametrize("cause", ["gc", "starved", "gil_contention", "many_callbacks", "import"])
def test_an_innocent_call_gets_no_blame(shop: Callable[..., Stall], cause: Cause) -> None:
    assert "asyncio.sleep(...) instead" not in ADVISER.advise(shop("time.sleep(1)", cause))


def stalled(cause: Cause, **fields: Any) -> Stall:
    return Stall(started_at=0.0, duration=1.0, cause=cause, **fields)


HOLDER = GilHolder(thread="cruncher", site=Site("shop.crunch"), cpu_seconds=0.9)
PARTS = tuple(Contributor(coroutine=f"shop.part_{n}", count=9, seconds=0.1) for n in range(5))
IMPORTING = (
    Frame("shop.handler", "/app/shop.py", 7),
    Frame("importlib._bootstrap._find_and_load", "<frozen importlib._bootstrap>", 1),
    Frame("pandas.<module>", "/x/site-packages/pandas/__init__.py", 1),
    Frame("pandas.core.<module>", "/x/site-packages/pandas/core.py", 1),
)


@pytest.mark.parametrize(
    ("stall", "words"),
    [
        (stalled("cpu"), "a thread would do is not known"),
        (stalled("native_gil"), "the call keeps the GIL"),
        (stalled("blocking_call"), "asyncio.to_thread"),
        (stalled("gc"), "gc.freeze()"),
        (stalled("import", stack=IMPORTING), "Import pandas when the app starts"),
        (stalled("import", site=Site("a.b", "", 1, "from x.y import z")), "Import x.y when"),
        (stalled("gil_contention", gil_holders=(HOLDER,)), "Move what cruncher (shop.crunch)"),
        (stalled("gil_contention"), "Move what other threads compute"),
        (stalled("starved", throttled_seconds=0.6, run_queue_seconds=0.7), "CPU limit"),
        (stalled("starved", run_queue_seconds=0.7), "processes per core"),
        (stalled("starved", run_queue_seconds=0.0), "SIGSTOP"),
        (stalled("starved"), "SIGSTOP"),
        (stalled("many_callbacks", contributors=PARTS), "shop.part_0, shop.part_1, shop.part_2."),
        (stalled("many_callbacks"), "asyncio.Semaphore"),
        (stalled("unknown"), "Too little was seen"),
    ],
)
def test_advice_by_cause(stall: Stall, words: str) -> None:
    assert words in ADVISER.advise(stall)


def test_whether_a_thread_helps_is_said_only_where_it_was_seen() -> None:
    seen = [ADVISER.advise(stalled("cpu"), Observation(released)) for released in (True, False)]
    assert "a thread does help" in seen[0]
    assert "A thread would not help" in seen[1]
    unseen = ADVISER.advise(stalled("cpu"))
    assert "does help" not in unseen
    assert "would not help" not in unseen
    assert "another process" in unseen


def test_the_table_is_in_order() -> None:
    """Sentences, real causes, and nothing that an earlier row hides."""
    seen: set[tuple[str, str]] = set()
    for remedy in REMEDIES:
        assert remedy.advice.endswith(".")
        assert set(remedy.causes) <= {
            "blocking_call",
            "cpu",
            "native_gil",
            "unknown",
            "gc",
            "import",
        }
        for call in remedy.calls:
            rows = {(call, cause) for cause in remedy.causes or ("any",)}
            assert remedy.imports or not rows <= seen, call
            seen |= rows
    assert set(Cause.__args__) <= {*BY_CAUSE}  # type: ignore[attr-defined]


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
    stall = stalled("blocking_call", site=site(spot), stack=frames(waits[name]))
    assert CALLS[name][1] in ADVISER.advise(stall)


@pytest.mark.parametrize("table", [setup_remedies, waiting_remedies, working_remedies])
def test_the_tables_are_nothing_but_plain_text(table: ModuleType) -> None:
    assert "def " not in Path(table.__file__ or "").read_text("utf-8")
