"""Lesson 3: `asyncio.to_thread` for a synchronous library, here a parser of PDF files.

    python examples/03_to_thread.py

A neighbour wants to run every 10 ms. While the loop parses, it does not run at all. While a
thread parses, it runs: parser and loop take turns, about 5 ms each. For many documents use a
process pool.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from io import BytesIO

try:
    import pdfplumber
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install 'loopwatch[demo]'", file=sys.stderr)
    sys.exit(2)

from loopwatch import Watch


def pdf(lines: int) -> bytes:
    """Return a PDF of one page with that many lines of text."""
    line = "(The loop can do nothing else while it reads what is written here.) Tj T*"
    text = "\n".join(["BT /F1 3 Tf 4 TL 20 820 Td", *[line] * lines, "ET"])
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        " /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    numbered = [f"{number} 0 obj\n{each}\nendobj" for number, each in enumerate(objects, start=1)]
    return "\n".join(["%PDF-1.4", *numbered, "trailer", "<< /Root 1 0 R >>", "%%EOF", ""]).encode()


DOCUMENT = pdf(lines=200)


def words() -> int:
    with pdfplumber.open(BytesIO(DOCUMENT)) as opened:
        return len(opened.pages[0].extract_words())


async def on_the_loop() -> int:
    return words()  # BAD


async def in_a_thread() -> int:
    return await asyncio.to_thread(words)  # GOOD


async def beside(parse: Callable[[], Awaitable[int]]) -> tuple[int, float, float]:
    """Return the words; how long parsing took and how long the neighbour had to wait, s."""
    latest = 0.0

    async def neighbour() -> None:
        nonlocal latest
        while True:
            due = time.perf_counter() + 0.01
            await asyncio.sleep(0.01)
            latest = max(latest, time.perf_counter() - due)

    beating = asyncio.create_task(neighbour())
    await asyncio.sleep(0.05)
    began = time.perf_counter()
    count = await parse()
    took = time.perf_counter() - began
    await asyncio.sleep(0.05)
    beating.cancel()
    return count, took, latest


if __name__ == "__main__":
    words()  # what is imported and cached at the first time is no part of the lesson
    for parse in (on_the_loop, in_a_thread):
        with Watch() as watch:
            count, took, latest = asyncio.run(beside(parse))
        waited = "as long as that" if latest > took / 2 else "next to nothing"
        print(f"{parse.__name__}: {count} words; the neighbour waited {waited}")
        for stall in (each for each in watch.stalls if each.duration > took / 2):
            print(f"    {stall.site.function} held the loop: {stall.site.code}")

# Expected output:
#
#   on_the_loop: 2600 words; the neighbour waited as long as that
#       __main__.words held the loop: opened.pages[0].extract_words()
#   in_a_thread: 2600 words; the neighbour waited next to nothing
