"""Lesson 7: `asyncio.gather` instead of one `await` after the other; `return_exceptions`.

    python examples/07_gather.py

Slow is not blocking: one after the other takes four times as long, and the loop is free all the
time. And `gather` makes nothing parallel by itself: calls that block run one after the other
there as well.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from loopwatch import Watch

TEXTS = ("It works, thank you.", "Why is it slow?", "[error]", "Who is on call?")


async def classify(text: str) -> str:
    """Stand in for a call of a model."""
    await asyncio.sleep(0.3)
    if text == "[error]":
        raise ConnectionError("the model said no")
    return "question" if text.endswith("?") else "statement"


async def classify_blocking(text: str) -> str:
    time.sleep(0.3)
    return "question" if text.endswith("?") else "statement"


async def one_after_the_other() -> list[str]:
    return [await classify(text) for text in TEXTS if text != "[error]"]  # SLOW, but not blocking


async def all_at_once() -> list[str]:
    return await asyncio.gather(*(classify(text) for text in TEXTS if text != "[error]"))  # GOOD


async def first_error_wins() -> list[str]:
    return await asyncio.gather(*(classify(text) for text in TEXTS))  # three good answers are lost


async def each_for_itself() -> list[str]:
    answers = await asyncio.gather(*map(classify, TEXTS), return_exceptions=True)  # GOOD
    return [str(answer) for answer in answers]


async def all_blocking() -> list[str]:
    return await asyncio.gather(*(classify_blocking(text) for text in TEXTS[:2]))  # BAD


async def show(batch: Callable[[], Awaitable[list[str]]]) -> None:
    began = time.perf_counter()
    try:
        result = ", ".join(await batch())
    except ConnectionError as error:
        result = f"ConnectionError: {error}"
    print(f"{batch.__name__}: {time.perf_counter() - began:.1f} s: {result}")


async def main() -> None:
    for batch in (one_after_the_other, all_at_once, first_error_wins, each_for_itself):
        await show(batch)
    await show(all_blocking)


if __name__ == "__main__":
    with Watch() as watch:
        asyncio.run(main())
    for stall in watch.stalls:
        print(f"{stall.coroutine} held the loop for {stall.duration:.1f} s: {stall.site.code}")

# Expected output:
#
#   one_after_the_other: 0.9 s: statement, question, question
#   all_at_once: 0.3 s: statement, question, question
#   first_error_wins: 0.3 s: ConnectionError: the model said no
#   each_for_itself: 0.3 s: statement, question, the model said no, question
#   all_blocking: 0.6 s: statement, question
#   __main__.classify_blocking held the loop for 0.3 s: time.sleep(0.3)
#   __main__.classify_blocking held the loop for 0.3 s: time.sleep(0.3)
