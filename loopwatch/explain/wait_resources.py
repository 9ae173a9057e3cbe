"""What a library's coroutine waits for, by its module and qualified name: one table for all.

The frames below the user's own line are asked from the innermost outwards. A library builds its own
things on a primitive: a pool on a queue, a stream on an event. So a primitive is what is waited for
only if nothing further out says better, be it another one that is built on it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from loopwatch.core.evidence import Spot

# primitives, each of which may be built on those before it
PRIMITIVES = ("future", "event", "condition", "queue", "lock", "semaphore")


class Row(NamedTuple):
    """What coroutines wait for whose `module.qualname` begins like `names`; a regular expression"""

    names: str
    resource: str


ROWS = (
    # primitives
    Row(r"asyncio\.locks\.Lock\.|anyio\..*\bLock(Adapter)?\.", "lock"),
    Row(r"asyncio\.locks\.(Bounded)?Semaphore\.", "semaphore"),
    Row(r"anyio\..*\b(Semaphore|CapacityLimiter)(Adapter)?\.", "semaphore"),
    Row(r"asyncio\.locks\.(Condition|Barrier)\.|anyio\..*\bCondition\.", "condition"),
    Row(r"asyncio\.locks\.Event\.|anyio\..*\bEvent(Adapter)?\.", "event"),
    Row(r"asyncio\.queues\.|anyio\.streams\.memory\.|(janus|culsans)\.", "queue"),
    Row(r"aiologic\..*\bLock\.", "lock"),
    # timers
    Row(r"asyncio\.tasks\.sleep$|anyio\..*\bsleep(_until|_forever)?$", "timer"),
    # processes
    Row(r"asyncio\.(base_)?subprocess\.|anyio\..*\bProcess\.|anyio\.to_process\.", "process"),
    Row(r"anyio\._core\._subprocesses\.|anyio\.to_interpreter\.", "process"),
    # threads
    Row(r"asyncio\.threads\.|anyio\.to_thread\.|anyio\..*\brun_sync_in_worker_thread$", "thread"),
    Row(r"starlette\.concurrency\.|asgiref\.sync\.|aiosqlite\.|aiofiles\.", "thread"),
    Row(r"asyncio\.base_events\.BaseEventLoop\.(getaddr|getname|run_in_ex)", "thread"),
    Row(r"uvloop\.loop\.(Loop\.)?(getaddr|getname|run_in_ex)", "thread"),
    # pools, before the sockets of the same libraries
    Row(r"aiohttp\.connector\.BaseConnector\._?(wait_for_av|get$)", "pool"),
    Row(r"httpcore\d*\._async\.connection_pool\.\w*PoolRequest\.", "pool"),
    Row(r"sqlalchemy\.pool\.\S*\.(_do_get|checkout|connect)$", "pool"),
    # sockets: the standard library, servers, frameworks, clients
    Row(r"asyncio\.(streams|sslproto|transports|selector_events|proactor_events)\.", "socket"),
    Row(r"asyncio\.base_events\.(BaseEventLoop\.(sock|create|connect|send)|Server\.)", "socket"),
    Row(r"uvloop\.loop\.(Loop\.)?subprocess", "process"),
    Row(r"uvloop\.loop\.(Loop\.)?_?(sock|create|connect|start_tls|send)", "socket"),
    Row(r"anyio\..*\b\w*(Stream|Listener|SocketStream|UDPSocket)\.", "socket"),
    Row(r"anyio\._core\._sockets\.|trio\._highlevel", "socket"),
    Row(r"(uvicorn|hypercorn|granian|daphne|nonecorn|gunicorn)\.", "socket"),
    Row(r"starlette\.(requests|websockets)\.|aiohttp\.|websockets\.|wsproto\.", "socket"),
    Row(r"httpcore\d*\.(_backends|_async\.(http|socks|connection\.))", "socket"),
    Row(r"asyncpg\.(protocol|connection|connect_utils|cursor|prepared_stmt)\b", "socket"),
    Row(r"psycopg\.|pymongo\.(network_layer|asynchronous\.network)|aiomysql\.conn", "socket"),
    Row(r"redis\.(asyncio\.connection\.\w*Connection\.|_parsers\.)|valkey\._parsers\.", "socket"),
    Row(r"grpc\.|aiokafka\.|aio_pika\.|aiormq\.|nats\.|aiosmtplib\.|asyncssh\.", "socket"),
)
# any library's pool: a method that takes something, of a class that is called one
POOL = (
    r"\b\w*[Pp]ool\w*\.(\S*\.)?_*(do_)?(acquire|get|connection|conn$|check_?out|take|borrow|"
    r"lease|wait|reserve)\w*$"
)
NOT_POOLS = r"(asyncio|concurrent|multiprocessing|anyio)\."

Pattern = re.Pattern[str]


@cache
def compiled() -> tuple[list[tuple[Pattern, str]], Pattern, Pattern]:
    """Return `ROWS`, `POOL` and `NOT_POOLS`, compiled at the first look: an import is not kept
    waiting."""
    known = [(re.compile(row.names), row.resource) for row in ROWS]
    return known, re.compile(POOL), re.compile(NOT_POOLS)


def resource_of_frame(name: str) -> str:
    """Return what a coroutine named so waits for; empty if its name does not tell."""
    known, pool, not_pools = compiled()
    for names, resource in known:
        if names.match(name):
            return resource
    return "pool" if pool.search(name) and not not_pools.match(name) else ""


def resource_of(names: list[str], kind: str) -> tuple[str, int]:
    """Return what is waited for by library frames, innermost first, and which frame says so.

    `kind` is that of the future at the end: `thread`, or `future` if nobody knows who sets it.
    """
    found, place = kind, 0
    if found not in PRIMITIVES:
        return found, place
    for n, name in enumerate(names):
        resource = resource_of_frame(name)
        if resource and (resource not in PRIMITIVES or is_built_on(resource, found)):
            found, place = resource, n
        if found not in PRIMITIVES:
            break
    return found, place


def is_built_on(outer: str, inner: str) -> bool:
    return PRIMITIVES.index(outer) > PRIMITIVES.index(inner)


def frame_name(spot: Spot) -> str:
    return f"{spot.module}.{spot.code.co_qualname}"
