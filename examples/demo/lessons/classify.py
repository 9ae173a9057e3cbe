"""A batch of texts: serially, all at once, all at once with separate errors, with a deadline.

None of these blocks the loop. The first is slow all the same: slow is not blocking.
"""

import asyncio
from collections.abc import Awaitable
from typing import Annotated

from fastapi import APIRouter, HTTPException
from openai import OpenAIError
from pydantic import BaseModel, Field

from examples.demo.llm import Llm
from examples.demo.resources import Opened
from loopwatch import timed

router = APIRouter(prefix="/classify", tags=["classify"])

Text = Annotated[str, Field(min_length=1, max_length=500)]
TEXTS = ["It works again, thank you", "Why is it slow?", "I am leaving", "Who is on call?"]


class Batch(BaseModel):
    texts: Annotated[list[Text], Field(min_length=1, max_length=50)] = TEXTS


class TimedBatch(Batch):
    deadline: Annotated[float, Field(gt=0, le=30, description="seconds")] = 10.0


class Outcome(BaseModel):
    text: str
    label: str | None = None
    error: str | None = None


async def classify(llm: Llm, text: str) -> str:
    """Ask the model for one word about `text`."""
    messages = llm.ask(text, system="Answer in one word: question or statement?")
    create = llm.waiting.chat.completions.create
    answer = await create(model=llm.chat_model, messages=messages)
    return answer.choices[0].message.content or ""


def timed_classify(llm: Llm, text: str) -> Awaitable[str]:
    """Classify; `loopwatch_coroutine_seconds{coroutine="classify"}` has the latency."""
    return timed(classify(llm, text), "classify")


@router.post("/serial")
async def serially(batch: Batch, opened: Opened) -> list[str]:
    """SLOW, but not blocking: each text waits for the one before it.

    loopwatch says nothing, rightly: the loop is free and serves other requests.
    """
    return [await timed_classify(opened.llm, text) for text in batch.texts]


@router.post("/gather")
async def all_at_once(batch: Batch, opened: Opened) -> list[str]:
    """GOOD: as slow as the slowest text. The first error fails the whole batch (502).

    loopwatch says nothing.
    """
    return await asyncio.gather(*(timed_classify(opened.llm, text) for text in batch.texts))


@router.post("/each")
async def each_for_itself(batch: Batch, opened: Opened) -> list[Outcome]:
    """GOOD: `return_exceptions=True`; a failed text has an error, the others have their label.

    loopwatch says nothing.
    """
    answers = await asyncio.gather(
        *(timed_classify(opened.llm, text) for text in batch.texts), return_exceptions=True
    )
    return [outcome(text, answer) for text, answer in zip(batch.texts, answers, strict=True)]


def outcome(text: str, answer: str | BaseException) -> Outcome:
    if isinstance(answer, str):
        return Outcome(text=text, label=answer)
    if isinstance(answer, OpenAIError):
        return Outcome(text=text, error=type(answer).__name__)
    raise answer


@router.post("/deadline")
async def in_time(batch: TimedBatch, opened: Opened) -> list[str]:
    """GOOD: at the deadline, unfinished calls are cancelled, and the answer is 504.

    loopwatch says nothing.
    """
    try:
        async with asyncio.timeout(batch.deadline):
            return await all_at_once(batch, opened)
    except TimeoutError as late:
        raise HTTPException(504, f"not all classified within {batch.deadline} s") from late
