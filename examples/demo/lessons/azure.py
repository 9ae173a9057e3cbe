"""Azure OpenAI, as a service should call it: checked input, a deadline, honest status codes."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException
from openai import OpenAIError
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from pydantic import BaseModel, ConfigDict, Field

from examples.demo.llm import Llm
from examples.demo.resources import Opened

router = APIRouter(prefix="/azure", tags=["azure"])


class Message(BaseModel):
    role: Literal["system", "user", "assistant"] = "user"
    content: Annotated[str, Field(min_length=1, max_length=4000)] = "Why is my service slow?"


class ChatRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    messages: Annotated[list[Message], Field(min_length=1, max_length=20)] = [Message()]
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    max_tokens: Annotated[int, Field(ge=1, le=4096)] = 256
    deadline: Annotated[float, Field(gt=0, le=30, description="seconds")] = 10.0


@router.post("/chat")
async def chat(request: ChatRequest, opened: Opened) -> dict[str, str | None]:
    """GOOD: `AsyncAzureOpenAI` with a deadline. A late answer is 504, an error upstream is 502.

    loopwatch says nothing, even if the model is slow.
    """
    try:
        completion = await asyncio.wait_for(complete(opened.llm, request), request.deadline)
    except TimeoutError as late:
        raise HTTPException(504, f"no answer within {request.deadline} s") from late
    except OpenAIError as error:
        raise HTTPException(502, f"Azure OpenAI failed: {type(error).__name__}") from error
    return {"answer": completion.choices[0].message.content}


async def complete(llm: Llm, request: ChatRequest) -> ChatCompletion:
    return await llm.azure.chat.completions.create(
        model=llm.azure_deployment,
        messages=[as_param(message) for message in request.messages],
        temperature=request.temperature,
        max_tokens=request.max_tokens,
    )


def as_param(message: Message) -> ChatCompletionMessageParam:
    if message.role == "system":
        return {"role": "system", "content": message.content}
    if message.role == "assistant":
        return {"role": "assistant", "content": message.content}
    return {"role": "user", "content": message.content}
