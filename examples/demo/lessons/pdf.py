"""Reading a PDF in pure Python: on the loop, and in a thread."""

import asyncio
from pathlib import Path

import pdfplumber
from fastapi import APIRouter

from examples.demo.resources import Opened

router = APIRouter(prefix="/pdf", tags=["pdf"])


def analyse(path: Path) -> dict[str, int]:
    """Count the pages and the words of the PDF at `path`."""
    with pdfplumber.open(path) as pdf:
        words = sum(len(page.extract_words()) for page in pdf.pages)
        return {"pages": len(pdf.pages), "words": words}


@router.get("/direct")
async def directly(opened: Opened) -> dict[str, int]:
    """BAD: parsing in `async def`.

    loopwatch says: cpu, `page.extract_words()` in `analyse`: the innermost line of your own code,
    not of pdfplumber.
    """
    return analyse(opened.pdf_path)


@router.get("/to-thread")
async def in_to_thread(opened: Opened) -> dict[str, int]:
    """GOOD: a thread parses. It is Python, so it takes turns with the loop, 5 ms each.

    loopwatch says nothing. For many or long documents use a process pool, as in /cpu.
    """
    return await asyncio.to_thread(analyse, opened.pdf_path)
