"""A stand-in for OpenAI and Azure OpenAI: the same paths and formats, without a model.

It runs in its own process, on loopback. It answers a message that contains [error] with status
500, and one that contains [slow] after twenty times the delay.
"""

import argparse
import asyncio
import base64
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from examples.demo.child_process import when_orphaned

SLOW = 20
DIMENSIONS = 256


async def chat(request: Request) -> Response:
    asked = await request.json()
    messages = asked["messages"]
    failure = await think(request, messages[-1]["content"])
    if failure is not None:
        return failure
    answer = answer_to(messages)
    if asked.get("stream"):
        pieces = stream(answer, asked["model"], request.app.state.delay)
        return StreamingResponse(pieces, media_type="text/event-stream")
    return JSONResponse(completion(answer, asked["model"]))


async def embeddings(request: Request) -> Response:
    asked = await request.json()
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    failure = await think(request, " ".join(map(str, texts)))
    if failure is not None:
        return failure
    packed = asked.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": embedding(str(text), packed)}
        for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return JSONResponse({"object": "list", "data": data, "model": asked["model"], "usage": usage})


async def think(request: Request, text: str) -> Response | None:
    """Wait as long as an answer takes; return an error if one was requested."""
    await asyncio.sleep(request.app.state.delay * (SLOW if "[slow]" in text else 1))
    if "[error]" not in text:
        return None
    error = {"message": "as you wished", "type": "server_error", "code": None}
    return JSONResponse({"error": error}, status_code=500)


def answer_to(messages: list[dict[str, str]]) -> str:
    text = messages[-1]["content"]
    if any("one word" in message["content"] for message in messages[:-1]):
        return "question" if text.rstrip().endswith("?") else "statement"
    return f"You said: {text}"


def completion(answer: str, model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": answer}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return head("chat.completion", model) | {"choices": [choice], "usage": usage}


async def stream(answer: str, model: str, delay: float) -> AsyncIterator[str]:
    for word in answer.split(" "):
        yield event(model, {"delta": {"content": word + " "}, "finish_reason": None})
        await asyncio.sleep(delay / 4)
    yield event(model, {"delta": {}, "finish_reason": "stop"})
    yield "data: [DONE]\n\n"


def event(model: str, choice: Mapping[str, object]) -> str:
    chunk = head("chat.completion.chunk", model) | {"choices": [{"index": 0, **choice}]}
    return f"data: {json.dumps(chunk)}\n\n"


def head(kind: str, model: str) -> dict[str, Any]:
    return {"id": "stand-in", "object": kind, "created": int(time.time()), "model": model}


def embedding(text: str, packed: bool) -> str | list[float]:
    numbers = [1.0 / (1 + (len(text) + i) % DIMENSIONS) for i in range(DIMENSIONS)]
    if not packed:
        return numbers
    return base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *numbers)).decode()


def create_stand_in(delay: float) -> Starlette:
    """Return the ASGI app; `delay` is the time of each answer, in seconds."""
    azure = "/openai/deployments/{deployment}"
    app = Starlette(
        routes=[
            Route(prefix + path, answer, methods=["POST"])
            for prefix in ("/v1", azure)
            for path, answer in (("/chat/completions", chat), ("/embeddings", embeddings))
        ]
    )
    app.state.delay = delay
    return app


def main() -> None:
    """Serve on a socket that the parent opened, until the parent is gone."""
    parser = argparse.ArgumentParser(prog="examples.demo.standin")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--delay", type=float, required=True)
    arguments = parser.parse_args()
    when_orphaned()
    app = create_stand_in(arguments.delay)
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off")
    print("ready", flush=True)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=arguments.fd)])


if __name__ == "__main__":
    main()
