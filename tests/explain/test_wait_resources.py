"""Which resource a chain of library frames waits for, and what is advised."""

from dataclasses import replace
from typing import Any

import pytest

from loopwatch.core.record_types import Holder, Site, WaitReading
from loopwatch.core.resources import RESOURCES
from loopwatch.explain.wait_advice import advised
from loopwatch.explain.wait_resources import ROWS, resource_of

CHAINS = {  # frames, innermost first, joined by spaces
    "asyncio.locks.Lock.acquire asyncio.locks._ContextManagerMixin.__aenter__": "lock",
    "asyncio.locks.Lock.acquire asyncio.locks.Condition.wait": "lock",
    "asyncio.locks.Event.wait anyio.streams.memory.MemoryObjectSendStream.send": "queue",
    "anyio._backends._asyncio.Event.wait anyio._core._synchronization.Condition.wait": "condition",
    "asyncio.queues.Queue.get sqlalchemy.util.langhelpers.x sqlalchemy.pool.impl.QueuePool._do_get "
    "sqlalchemy.pool.base.Pool.connect": "pool",
    "asyncio.queues.Queue.get asyncpg.pool.Pool._acquire.<locals>._acquire_impl": "pool",
    "asyncio.locks.Event.wait psycopg_pool._acompat.AEvent.wait_timeout "
    "psycopg_pool.pool_async.AsyncConnectionPool.getconn": "pool",
    "asyncio.locks.Condition.wait redis.asyncio.connection.BlockingConnectionPool.get_connection "
    "redis.asyncio.client.Redis.execute_command": "pool",
    "aiohttp.connector.BaseConnector._wait_for_available_connection "
    "aiohttp.connector.BaseConnector.connect aiohttp.client.ClientSession._request": "pool",
    "asyncio.locks.Event.wait httpcore._synchronization.AsyncEvent.wait "
    "httpcore._async.connection_pool.AsyncPoolRequest.wait_for_connection "
    "httpcore._async.connection_pool.AsyncConnectionPool.handle_async_request": "pool",
    "asyncio.locks.Event.wait anyio._backends._asyncio.SocketStream.receive "
    "httpcore._backends.anyio.AnyIOStream.read "
    "httpcore._async.connection_pool.AsyncConnectionPool.handle_async_request": "socket",
    "asyncio.locks.Condition.wait acme.db.ConnectionPool.acquire": "pool",
    "asyncio.locks.Condition.wait acme.db.Whirlpool.spin": "condition",
    "asyncpg/protocol aiohttp.streams.DataQueue.read aiohttp.client_reqrep.ClientResponse.start": (
        "socket"
    ),
    "asyncio.locks.Event.wait psycopg.waiting.wait_async": "socket",
    "asyncpg.protocol.protocol.query asyncpg.connection.Connection.fetch": "socket",
    "uvloop.loop.sock_connect": "socket",
    "uvloop.loop.getaddrinfo": "thread",
    "asyncio.streams.StreamReader._wait_for_data redis._parsers.base.read "
    "redis.asyncio.connection.ConnectionPool.get_connection": "socket",
    "asyncio.locks.Event.wait uvicorn.protocols.http.h11_impl.RequestResponseCycle.receive": (
        "socket"
    ),
    "aiosqlite.core.Connection._execute": "thread",
    "anyio._backends._asyncio.AsyncIOBackend.run_sync_in_worker_thread": "thread",
    "anyio._backends._asyncio.CapacityLimiter.acquire "
    "anyio._backends._asyncio.AsyncIOBackend.run_sync_in_worker_thread": "thread",
    "anyio._backends._asyncio.CapacityLimiter.acquire": "semaphore",
    "asyncio.tasks.sleep": "timer",
    "asyncio.tasks.sleep tenacity.asyncio.AsyncRetrying.__call__": "timer",
    "asyncio.base_subprocess.BaseSubprocessTransport._wait asyncio.subprocess.Process.wait": (
        "process"
    ),
    "acme.rpc.Client.call": "future",
    "": "future",
}


@pytest.mark.parametrize("chain", CHAINS)
def test_the_frames_tell_the_resource(chain: str) -> None:
    assert resource_of(chain.split(), "future")[0] == CHAINS[chain]


def test_a_future_of_a_thread_tells_by_itself() -> None:
    assert resource_of(["acme.rpc.Client.call"], "thread") == ("thread", 0)


def test_every_resource_is_one_of_the_list() -> None:
    assert {row.resource for row in ROWS} | {"pool", "future"} <= {*RESOURCES}


# ------------------------------------------------------------ advice

SITE = Site("shop.db", "/srv/shop.py", 7, "await pool.get()")


def wait(resource: str, **more: Any) -> WaitReading:
    given: dict[str, Any] = {"route": "/a", "place": SITE, "seconds": 10.0, "looks": 100}
    return WaitReading(**given | {"resource": resource} | more)


def holder(resource: str) -> Holder:
    site = Site("shop.use", "/srv/shop.py", 9, "await client.get(url)")
    return Holder(task="shop.use", site=site, resource=resource, call="httpx.AsyncClient.get")


def told(wait: WaitReading, *others: WaitReading) -> str:
    return advised((wait, *others))[0].advice


def test_a_lock_over_an_await() -> None:
    text = told(wait("lock", holders=(holder("socket"),)))
    assert "held over `await client.get(url)` at shop.py:9" in text
    assert "before taking the lock" in text


def test_a_pool_over_an_await_or_too_small() -> None:
    assert "shop.py:9" in told(wait("pool", holders=(holder("timer"),)))
    assert "pool larger" in told(wait("pool"))
    at_work = replace(holder("socket"), call="psycopg.connection_async.AsyncConnection.execute")
    asked = wait("pool", call="psycopg_pool.pool_async.AsyncConnectionPool.connection")
    assert "while all are at work" in told(replace(asked, holders=(at_work,)))
    assert "shop.py:9" in told(replace(asked, holders=(at_work, holder("socket"))))
    assert "let more of them in" in told(wait("semaphore"))


def test_a_holder_that_waits_in_line_itself_is_no_reason() -> None:
    assert "held over" not in told(wait("lock", holders=(holder("lock"),)))


def test_threads_that_are_all_taken() -> None:
    assert "Worker threads are all taken" in told(wait("thread", unstarted=8.0))
    assert told(wait("thread", unstarted=1.0)) == ""


def test_awaits_one_after_the_other() -> None:
    serial = wait("socket", call="httpx.AsyncClient.get", serial=20, peer="10.0.0.1:80")
    assert "about 20 times in a row" in told(serial)
    assert "gather" in told(serial)
    assert "gather" not in told(replace(serial, serial=2))
    for call in ("asyncio.streams.StreamReader.readline", "websockets.Connection.recv"):
        assert "gather" not in told(replace(serial, call=call))
    for resource in ("lock", "queue", "event"):
        assert "gather" not in told(replace(serial, resource=resource))


def test_a_slow_upstream() -> None:
    text = told(wait("socket", call="httpx.AsyncClient.get", peer="10.0.0.1:80"))
    assert "10.0.0.1:80" in text
    assert "timeout" in text


def test_what_costs_little_gets_no_advice() -> None:
    small = wait("pool", seconds=0.4)
    assert told(small, wait("timer")) == ""
    assert told(small, replace(wait("timer"), route="/b")) != ""
    assert told(wait("pool", looks=1)) == ""
    assert told(wait("pool", seconds=0.0)) == ""


def test_each_advice_is_one_sentence() -> None:
    all_of_them = (
        wait("lock", holders=(holder("socket"),)),
        wait("semaphore", holders=(holder("timer"),)),
        wait("pool"),
        wait("thread", unstarted=9.0),
        wait("socket", call="a.get", serial=9),
        wait("socket", call="a.get"),
    )
    for reading in advised(all_of_them):
        assert reading.advice.endswith(".")
        assert ". " not in reading.advice
