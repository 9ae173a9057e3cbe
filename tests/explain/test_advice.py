"""Advice: for the very call, however it is written, and for the libraries in it."""

import sqlite3
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from loopwatch.core.causes import Cause
from loopwatch.core.record_types import Frame, Site, Stall
from loopwatch.explain.advice import Adviser
from loopwatch.explain.circumstance import BY_CAUSE

ADVISER = Adviser()
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
