"""Lesson 5: `AsyncOpenAI` instead of `OpenAI`: chat and embeddings.

    python examples/05_openai.py

Each service answers two questions and embeds a text, all at once. `OpenAI` holds the loop three
times; `AsyncOpenAI` has three answers in the time of one. A stand-in on 127.0.0.1 answers in
place of OpenAI.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

try:
    from openai import AsyncOpenAI, OpenAI
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install 'loopwatch[demo]'", file=sys.stderr)
    sys.exit(2)

from loopwatch import Watch

MESSAGE = {"role": "assistant", "content": "Because something holds its loop."}
CHOICE = {"index": 0, "message": MESSAGE, "finish_reason": "stop"}
CHAT = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [CHOICE]}
VECTOR = {"object": "embedding", "index": 0, "embedding": [0.1, 0.2, 0.3]}
EMBEDDINGS = {"object": "list", "model": "m", "data": [VECTOR]}
QUESTIONS = ("Why is my service slow?", "And why only at times?")


class StandIn(BaseHTTPRequestHandler):
    """Answers in OpenAI's formats, after 0.4 s."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        time.sleep(0.4)
        answer = EMBEDDINGS if self.path.endswith("/embeddings") else CHAT
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def stand_in() -> Iterator[str]:
    """Serve in threads, and give the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


class Blocking:
    """BAD: the synchronous client in `async def`."""

    def __init__(self, client: OpenAI) -> None:
        self.chat, self.embeddings = client.chat.completions, client.embeddings

    async def ask(self, text: str) -> str | None:
        answer = self.chat.create(model="m", messages=[{"role": "user", "content": text}])
        return answer.choices[0].message.content

    async def embed(self, text: str) -> list[float]:
        answer = self.embeddings.create(model="m", input=text, encoding_format="float")
        return answer.data[0].embedding


class Waiting:
    """GOOD: the asynchronous client, made once."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self.chat, self.embeddings = client.chat.completions, client.embeddings

    async def ask(self, text: str) -> str | None:
        answer = await self.chat.create(model="m", messages=[{"role": "user", "content": text}])
        return answer.choices[0].message.content

    async def embed(self, text: str) -> list[float]:
        answer = await self.embeddings.create(model="m", input=text, encoding_format="float")
        return answer.data[0].embedding


async def all_at_once(service: Blocking | Waiting) -> None:
    began = time.perf_counter()
    wanted: list[Awaitable[object]] = [service.ask(question) for question in QUESTIONS]
    *_, embedding = await asyncio.gather(*wanted, service.embed("a text"))
    took = time.perf_counter() - began
    print(f"{type(service).__name__}: {took:.1f} s for two answers and {embedding}")


def main() -> None:
    # Clients are made before the loop runs: each of them loads the certificates of the system.
    with stand_in() as url:
        services = (
            Blocking(OpenAI(base_url=url, api_key="none", max_retries=0)),
            Waiting(AsyncOpenAI(base_url=url, api_key="none", max_retries=0)),
        )
        for service in services:
            with Watch(slow_callback_duration=0.3) as watch:  # a first connection takes time, too
                asyncio.run(all_at_once(service))
            for stall in watch.stalls:
                print(f"    {stall.coroutine} held the loop for {stall.duration:.1f} s")
                print(f"    {stall.site.code}")


if __name__ == "__main__":
    main()

# Expected output:
#
#   Blocking: 1.2 s for two answers and [0.1, 0.2, 0.3]
#       __main__.Blocking.ask held the loop for 0.4 s
#       self.chat.create(model="m", messages=[{"role": "user", "content": text}])
#       __main__.Blocking.ask held the loop for 0.4 s
#       self.chat.create(model="m", messages=[{"role": "user", "content": text}])
#       __main__.Blocking.embed held the loop for 0.4 s
#       self.embeddings.create(model="m", input=text, encoding_format="float")
#   Waiting: 0.4 s for two answers and [0.1, 0.2, 0.3]
