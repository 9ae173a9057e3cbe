"""The table behind the user routes, and a query that is really slow.

The query (who mentions this user, whose address looks similar) reads every row, as `LIKE '%...%'`
does in any database.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg

USERS = 450_000
TABLE = "loopwatch_demo_users"

SQLITE_QUERY = f"""
SELECT id, name, email,
    (SELECT count(*) FROM {TABLE} AS other WHERE other.bio LIKE '%' || me.name || ',%'),
    (SELECT count(*) FROM {TABLE} AS other WHERE other.email LIKE '%' || me.id || '@%')
FROM {TABLE} AS me WHERE id = ?
"""
POSTGRES_QUERY = SQLITE_QUERY.replace("?", "$1")

CREATE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    id integer PRIMARY KEY, name text NOT NULL, email text NOT NULL, bio text NOT NULL
)
"""
# One statement, not a loop in Python: SQLite runs without the GIL.
FILL = f"""
WITH RECURSIVE ids(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < {USERS})
INSERT INTO {TABLE}
SELECT id, 'User ' || id, 'user' || id || '@example.com',
    'Friend of User ' || (id * 79 % {USERS} + 1) || ', User ' || (id * 31 % {USERS} + 1)
    || ' and others; reads all about event loops, and about what holds them up.'
FROM ids
"""


def fill_sqlite(path: Path) -> None:
    """Make the table in the file `path`."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(CREATE)
        connection.execute(FILL)


async def fill_postgres(url: str) -> None:
    """Make the table in the database at `url`, unless it is there and filled.

    Raises:
        OSError: there is no server.
        asyncpg.PostgresError: the server refuses.
    """
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(CREATE)
        if not await connection.fetchval(f"SELECT count(*) FROM {TABLE}"):
            await connection.execute(FILL)
    finally:
        await connection.close()
