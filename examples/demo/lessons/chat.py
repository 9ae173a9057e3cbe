"""A language model: the synchronous client, the asynchronous one, and an answer in pieces."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from openai import AsyncStream
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel, Field

from examples.demo.resources import Opened

router = APIRouter(tags=["chat"])


class Question(BaseModel):
    message: Annotated[str, Field(min_length=1, max_length=2000)] = "Why is my service slow?"


@router.post("/chat/openai")
async def with_openai(question: Question, opened: Opened) -> dict[str, str | None]:
    """BAD: the synchronous client in `async def`; the loop waits for the remote service.

    loopwatch says: blocking_call, `chat.completions.create(...)` in `with_openai`.
    """
    llm, chat = opened.llm, opened.llm.blocking.chat
    answer = chat.completions.create(model=llm.chat_model, messages=llm.ask(question.message))
    return {"answer": answer.choices[0].message.content}


@router.post("/chat/async-openai")
async def with_async_openai(question: Question, opened: Opened) -> dict[str, str | None]:
    """GOOD: the same with `AsyncOpenAI`.

    loopwatch says nothing; the request is slow, the loop is free.
    """
    llm, chat = opened.llm, opened.llm.waiting.chat
    answer = await chat.completions.create(model=llm.chat_model, messages=llm.ask(question.message))
    return {"answer": answer.choices[0].message.content}


@router.post("/chat/stream")
async def with_stream(question: Question, opened: Opened) -> StreamingResponse:
    """GOOD: the answer is streamed in pieces, as it arrives.

    loopwatch says nothing; the request's latency includes its last piece.
    """
    llm, chat = opened.llm, opened.llm.waiting.chat
    chunks = await chat.completions.create(
        model=llm.chat_model, messages=llm.ask(question.message), stream=True
    )
    return StreamingResponse(texts(chunks), media_type="text/plain")


async def texts(chunks: AsyncStream[ChatCompletionChunk]) -> AsyncIterator[str]:
    async with chunks:
        async for chunk in chunks:
            for choice in chunk.choices:
                yield choice.delta.content or ""


@router.post("/embeddings/openai")
async def embed_with_openai(question: Question, opened: Opened) -> dict[str, int]:
    """BAD: embeddings through the synchronous client.

    loopwatch says: blocking_call, `embeddings.create(...)` in `embed_with_openai`.
    """
    llm, embeddings = opened.llm, opened.llm.blocking.embeddings
    answer = embeddings.create(model=llm.embedding_model, input=question.message)
    return {"dimensions": len(answer.data[0].embedding)}


@router.post("/embeddings/async-openai")
async def embed_with_async_openai(question: Question, opened: Opened) -> dict[str, int]:
    """GOOD: the same with `AsyncOpenAI`.

    loopwatch says nothing.
    """
    llm, embeddings = opened.llm, opened.llm.waiting.embeddings
    answer = await embeddings.create(model=llm.embedding_model, input=question.message)
    return {"dimensions": len(answer.data[0].embedding)}
