"""Lesson 6: Azure OpenAI behind routes: `AsyncAzureOpenAI`, chat and embeddings.

    python examples/06_azure_openai.py

Both clients are made once, before the first request. `/blocking` uses `AzureOpenAI`, `/waiting`
uses `AsyncAzureOpenAI`; the health check that comes next is late, or is not. A stand-in on
127.0.0.1 answers in place of Azure.
"""

import asyncio
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

try:
    import httpx
    from fastapi import FastAPI
    from openai import AsyncAzureOpenAI, AzureOpenAI
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install 'loopwatch[demo]'", file=sys.stderr)
    sys.exit(2)

from loopwatch import LoopWatchMiddleware, Watch

MESSAGE = {"role": "assistant", "content": "Something holds its loop."}
CHOICE = {"index": 0, "message": MESSAGE, "finish_reason": "stop"}
CHAT = {"id": "1", "object": "chat.completion", "created": 0, "model": "", "choices": [CHOICE]}
VECTOR = {"object": "embedding", "index": 0, "embedding": [0.1, 0.2, 0.3]}
TEXT = {"object": "list", "model": "", "data": [VECTOR]}
ANSWERS = {"chat": CHAT, "text": TEXT}  # by deployment


class StandIn(BaseHTTPRequestHandler):
    """Answers for two deployments, `chat` and `text`, after 0.4 s."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        time.sleep(0.4)
        deployment = self.path.split("/")[3]  # /openai/deployments/NAME/...
        body = json.dumps(ANSWERS[deployment]).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def create_app(watch: Watch, azure: dict[str, Any]) -> FastAPI:
    blocking, waiting = AzureOpenAI(**azure), AsyncAzureOpenAI(**azure)
    for client in (blocking, waiting):  # its first use imports; that is no part of the lesson
        _ = client.chat.completions, client.embeddings
    app = FastAPI()
    app.add_middleware(LoopWatchMiddleware, watch=watch)

    @app.get("/blocking")
    async def ask_and_hold(text: str) -> list[object]:
        answer = blocking.chat.completions.create(  # BAD
            model="chat", messages=[{"role": "user", "content": text}]
        )
        vector = blocking.embeddings.create(model="text", input=text, encoding_format="float")
        return [answer.choices[0].message.content, vector.data[0].embedding]

    @app.get("/waiting")
    async def ask_and_wait(text: str) -> list[object]:
        answer, vector = await asyncio.gather(  # GOOD, and both at once
            waiting.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": text}]
            ),
            waiting.embeddings.create(model="text", input=text, encoding_format="float"),
        )
        return [answer.choices[0].message.content, vector.data[0].embedding]

    @app.get("/health")
    async def health() -> str:
        return "well"

    return app


async def visit(app: FastAPI, path: str) -> None:
    """Ask for an answer and, at the same time, for the state of health."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        began = time.perf_counter()
        slow = asyncio.create_task(client.get(path, params={"text": "Why is it slow?"}))
        await asyncio.sleep(0)  # it begins
        (await client.get("/health")).raise_for_status()
        health = time.perf_counter() - began
        answer = (await slow).json()
        took = time.perf_counter() - began
    print(f"{path}: {took:.1f} s for {answer}; the health check took {health:.1f} s")


async def main(app: FastAPI) -> None:
    for path in ("/blocking", "/waiting"):
        await visit(app, path)


if __name__ == "__main__":
    watch = Watch(slow_callback_duration=0.3)  # a first connection takes some time, too
    with ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        azure = {
            "azure_endpoint": f"http://127.0.0.1:{server.server_port}",
            "api_key": "none",
            "api_version": "2024-10-21",
            "max_retries": 0,
        }
        with watch:
            asyncio.run(main(create_app(watch, azure)))
        server.shutdown()
    for stall in watch.stalls:
        print(f"GET {stall.route} held the loop for {stall.duration:.1f} s in {stall.coroutine}")
        print(f"    {stall.advice}")

# Expected output:
#
#   /blocking: 0.8 s for ['Something holds its loop.', [0.1, 0.2, 0.3]]; the health check took 0.8 s
#   /waiting: 0.4 s for ['Something holds its loop.', [0.1, 0.2, 0.3]]; the health check took 0.0 s
#   GET /blocking held the loop for 0.8 s in __main__.create_app.<locals>.ask_and_hold
#       Use AsyncOpenAI or AsyncAzureOpenAI, and await the same call.
