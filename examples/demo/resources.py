"""Shared resources of the routes: opened before the first request, closed after the last."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import aiosqlite
import asyncpg
from fastapi import Depends
from starlette.requests import HTTPConnection

from examples.demo.child_process import ChildProcess
from examples.demo.document import pdf
from examples.demo.llm import Llm, open_llm
from examples.demo.settings import Settings
from examples.demo.user_table import fill_postgres, fill_sqlite
from examples.demo.workers import open_workers


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything a route may need."""

    llm: Llm
    workers: ProcessPoolExecutor
    sqlite_path: Path
    sqlite: aiosqlite.Connection
    postgres: "asyncpg.Pool[asyncpg.Record] | None"
    pdf_path: Path


async def opened(connection: HTTPConnection) -> Resources:
    """Return what the app's lifespan opened."""
    resources: Resources = connection.app.state.resources
    return resources


Opened = Annotated[Resources, Depends(opened)]


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open everything; slow work runs in a thread."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loopwatch-demo-")))
        stand_in_url = await stack.enter_async_context(open_stand_in(settings))
        sqlite_path, pdf_path = folder / "users.sqlite", folder / "document.pdf"
        await asyncio.to_thread(fill_sqlite, sqlite_path)
        await asyncio.to_thread(pdf_path.write_bytes, pdf())
        yield Resources(
            await stack.enter_async_context(open_llm(settings, stand_in_url)),
            await stack.enter_async_context(open_workers()),
            sqlite_path,
            await stack.enter_async_context(aiosqlite.connect(sqlite_path)),
            await stack.enter_async_context(open_postgres(settings)),
            pdf_path,
        )


@asynccontextmanager
async def open_stand_in(settings: Settings) -> AsyncIterator[str]:
    """Start the stand-in's process if one is needed, and yield its address."""
    if not settings.needs_stand_in:
        yield ""
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, fd = listener.getsockname()[1], listener.fileno()
        arguments = [f"--fd={fd}", f"--delay={settings.llm_delay}"]
        child = await asyncio.to_thread(ChildProcess, "examples.demo.standin", arguments, [fd])
    try:
        await asyncio.to_thread(child.lines.readline)
        yield f"http://127.0.0.1:{port}"
    finally:
        await asyncio.to_thread(child.stop)


@asynccontextmanager
async def open_postgres(
    settings: Settings,
) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record] | None]":
    """Connect to the database of DATABASE_URL, if that is set."""
    if settings.database_url is None:
        yield None
        return
    await fill_postgres(settings.database_url)
    async with asyncpg.create_pool(settings.database_url, min_size=1, max_size=4) as pool:
        yield pool
