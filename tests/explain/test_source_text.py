"""The source text of what a frame was running: of a whole block only its head."""

import pytest

from loopwatch.explain.source_text import header


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("async with pool: await db.query(sql)", "async with pool"),
        ("async with pool:", "async with pool"),
        (
            "async with pool.acquire(timeout=1) as c: rows = f(c)",
            "async with pool.acquire(timeout=1) as c",
        ),
        ("async with pools[a:b][0], other['x:y']: go()", "async with pools[a:b][0], other['x:y']"),
        ("async for row in rows(sql): use(row)", "async for row in rows(sql)"),
        ("await pool.acquire()", "await pool.acquire()"),
        ("with LOCK:", "with LOCK:"),  # a call that blocks is the whole line
        ("async with pool", "async with pool"),
        ('async with pool["', 'async with pool["'),
    ],
)
def test_body_of_a_block_is_left_out(text: str, told: str) -> None:
    assert header(text) == told
