"""Lesson 4: a database wants an asynchronous driver: asyncpg instead of pg8000 or psycopg2.

    python examples/04_async_driver.py

Three queries at once, of 0.3 s each, in which the database sleeps: with a synchronous driver, and
with asyncpg. DATABASE_URL=postgresql://user:password@host:port/database names a database of your
own. Without it, a stand-in speaks as much of PostgreSQL's protocol as the lesson needs.
"""

import asyncio
import os
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from urllib.parse import urlsplit

try:
    import asyncpg
    from pg8000.native import Connection
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install 'loopwatch[demo]'", file=sys.stderr)
    sys.exit(2)

from loopwatch import Watch

QUERY = "SELECT 42 FROM pg_sleep(0.3)"
SSL_REQUEST, TEXT = 80877103, 25
COLUMN = b"answer\0" + struct.pack("!IHIhih", 0, 0, TEXT, -1, -1, 0)


class StandIn(StreamRequestHandler):
    """Answers every query with 42, after 0.3 s."""

    def handle(self) -> None:
        while (start := struct.unpack("!II", self.rfile.read(8)))[1] == SSL_REQUEST:
            self.wfile.write(b"N")
        self.rfile.read(start[0] - 8)
        settings = (b"server_version\x0016.0\0", b"client_encoding\0UTF8\0")
        self.say((b"R", bytes(4)), *((b"S", setting) for setting in settings), (b"Z", b"I"))
        while (kind := self.rfile.read(1)) not in (b"", b"X"):
            self.answer(kind, self.body())

    def answer(self, kind: bytes, body: bytes) -> None:
        columns = (b"T", struct.pack("!H", 1) + COLUMN)
        row = (b"D", struct.pack("!HI2s", 1, 2, b"42"))
        done, ready = (b"C", b"SELECT 1\0"), (b"Z", b"I")
        if kind in b"QE":
            time.sleep(0.3)
        answers = {b"Q": (columns, row, done, ready), b"E": (row, done), b"S": (ready,)}
        answers |= {b"P": ((b"1", b""),), b"B": ((b"2", b""),), b"C": ((b"3", b""),)}
        answers |= {b"D": ((b"t", bytes(2)), columns)}
        self.say(*answers.get(kind, ()))

    def body(self) -> bytes:
        (length,) = struct.unpack("!I", self.rfile.read(4))
        return self.rfile.read(length - 4)

    def say(self, *messages: tuple[bytes, bytes]) -> None:
        parts = (kind + struct.pack("!I", len(body) + 4) + body for kind, body in messages)
        self.wfile.write(b"".join(parts))


async def synchronous(url: str) -> object:
    there = urlsplit(url)
    assert there.username is not None
    with closing(
        Connection(
            there.username,
            host=there.hostname or "localhost",
            port=there.port or 5432,
            database=there.path[1:],
            password=there.password,
        )
    ) as connection:
        return connection.run(QUERY)[0][0]  # BAD: the loop waits for the database


async def asynchronous(url: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(QUERY)  # GOOD: the coroutine waits, the loop does not
    finally:
        await connection.close()


async def three(query: Callable[[str], Awaitable[object]], url: str) -> None:
    began = time.perf_counter()
    answers = await asyncio.gather(query(url), query(url), query(url))
    took = time.perf_counter() - began
    print(f"{query.__name__}: {took:.1f} s for {', '.join(map(str, answers))}")


def main(url: str) -> None:
    for query in (synchronous, asynchronous):
        with Watch() as watch:
            asyncio.run(three(query, url))
        for stall in watch.stalls:
            print(f"    {stall.coroutine} held the loop for {stall.duration:.1f} s")
            print(f"    {stall.site.code}")


if __name__ == "__main__":
    if "DATABASE_URL" in os.environ:
        main(os.environ["DATABASE_URL"])
    else:
        with ThreadingTCPServer(("127.0.0.1", 0), StandIn) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            main(f"postgresql://user@127.0.0.1:{server.server_address[1]}/shop")
            server.shutdown()

# Expected output:
#
#   synchronous: 0.9 s for 42, 42, 42
#       __main__.synchronous held the loop for 0.3 s
#       connection.run(QUERY)
#       __main__.synchronous held the loop for 0.3 s
#       connection.run(QUERY)
#       __main__.synchronous held the loop for 0.3 s
#       connection.run(QUERY)
#   asynchronous: 0.3 s for 42, 42, 42
