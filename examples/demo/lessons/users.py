"""A slow query: with a synchronous driver, and with two asynchronous ones."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from examples.demo.resources import Opened
from examples.demo.user_table import POSTGRES_QUERY, SQLITE_QUERY

router = APIRouter(prefix="/users", tags=["users"])


class User(BaseModel):
    id: int
    name: str
    email: str
    mentions: int
    lookalikes: int


@router.get("/sqlite3/{user_id}")
async def with_sqlite3(user_id: int, opened: Opened) -> User:
    """BAD: a synchronous driver in `async def`; the loop waits for the database.

    loopwatch says: blocking_call, `connection.execute(SQLITE_QUERY, (user_id,))`; or cpu if the
    table is cached, since SQLite then computes in this thread.
    """
    with closing(sqlite3.connect(opened.sqlite_path)) as connection:
        rows = connection.execute(SQLITE_QUERY, (user_id,))
        return found(user_id, rows.fetchone())


@router.get("/aiosqlite/{user_id}")
async def with_aiosqlite(user_id: int, opened: Opened) -> User:
    """GOOD: the same query; aiosqlite keeps a thread for the connection.

    loopwatch says nothing.
    """
    async with opened.sqlite.execute(SQLITE_QUERY, (user_id,)) as rows:
        return found(user_id, await rows.fetchone())


@router.get("/asyncpg/{user_id}")
async def with_asyncpg(user_id: int, opened: Opened) -> User:
    """GOOD: the same query on PostgreSQL, through a driver made for asyncio.

    loopwatch says nothing. Without DATABASE_URL the answer is 503.
    """
    if opened.postgres is None:
        raise HTTPException(503, "set DATABASE_URL=postgresql://... and start the demo again")
    return found(user_id, await opened.postgres.fetchrow(POSTGRES_QUERY, user_id))


def found(user_id: int, row: Iterable[Any] | None) -> User:
    if row is None:
        raise HTTPException(404, f"there is no user {user_id}")
    return User(**dict(zip(User.model_fields, row, strict=True)))
