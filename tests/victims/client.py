"""The client, in a process of its own: it sends each request when planned, whatever comes back.

    python -m tests.victims.client PORT < plan > log

Both are JSON: a list of planned requests, and a list of `[number, sent, received, status]`, moments
of `perf_counter`. `sent` is read just before the request's bytes go out on an open connection.
"""

import asyncio
import gc
import json
import sys
from time import perf_counter
from typing import Any

from .plan import Planned

HOST = "127.0.0.1"
SOON = 0.2  # s until it begins
IDLE = 3.0  # s after which a connection is not used again: the server may be about to close it


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.used = reader, writer, perf_counter()

    async def ask(self, path: str) -> tuple[float, float, int]:
        request = f"GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode()
        sent = perf_counter()
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await self.reader.readexactly(length)
        self.used = perf_counter()
        return sent, self.used, int(head.split()[1])


class Client:
    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: list[Connection] = []
        self.log: list[tuple[int, float, float, int]] = []

    async def connection(self, fresh: bool) -> Connection:
        while self.idle and not fresh:
            connection = self.idle.pop()
            if perf_counter() - connection.used < IDLE:
                return connection
            connection.writer.close()
        return Connection(*await asyncio.open_connection(HOST, self.port))

    async def ask(self, planned: Planned, begin: float) -> None:
        await asyncio.sleep(begin + planned.at - perf_counter())
        connection = await self.connection(planned.fresh)
        self.log.append((planned.number, *await connection.ask(planned.path)))
        if planned.fresh:
            connection.writer.close()
        else:
            self.idle.append(connection)


async def send(port: int, load: list[Planned]) -> list[Any]:
    client, begin = Client(port), perf_counter() + SOON
    async with asyncio.TaskGroup() as group:
        for planned in load:
            group.create_task(client.ask(planned, begin))
    return client.log


if __name__ == "__main__":
    load = [Planned(*planned) for planned in json.load(sys.stdin)]
    gc.disable()
    json.dump(asyncio.run(send(int(sys.argv[1]), load)), sys.stdout)
