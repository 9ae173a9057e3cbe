"""The clients of the language model: created once, closed at the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib import import_module

from openai import (
    DEFAULT_CONNECTION_LIMITS,
    AsyncAzureOpenAI,
    AsyncOpenAI,
    DefaultAsyncHttpxClient,
    DefaultHttpxClient,
    OpenAI,
)
from openai.types.chat import ChatCompletionMessageParam

from examples.demo.settings import Settings

# Every request checks each idle connection: fewer connections mean shorter steps. The class is the
# SDK's own, so it works with any HTTP client below it.
LIMITS = type(DEFAULT_CONNECTION_LIMITS)(max_connections=50, max_keepalive_connections=4)
TIMEOUT = 30.0  # s; no retries: a lesson about waiting must not wait twice


@dataclass(frozen=True, slots=True)
class Llm:
    """Three clients and the names of their models."""

    blocking: OpenAI
    waiting: AsyncOpenAI
    azure: AsyncAzureOpenAI
    chat_model: str
    embedding_model: str
    azure_deployment: str

    @staticmethod
    def ask(
        message: str, *, system: str = "Answer in one sentence."
    ) -> list[ChatCompletionMessageParam]:
        return [{"role": "system", "content": system}, {"role": "user", "content": message}]

    async def close(self) -> None:
        await self.waiting.close()
        await self.azure.close()
        self.blocking.close()


@asynccontextmanager
async def open_llm(settings: Settings, stand_in_url: str) -> AsyncIterator[Llm]:
    """Make the clients, and close them at the end."""
    # In a thread: each client loads the system's certificates. The SDK imports its resources at
    # their first use, and NumPy, if installed, at the first embedding. On the loop this would be a
    # stall of the demo itself.
    llm = await asyncio.to_thread(make_llm, settings, stand_in_url)
    try:
        yield llm
    finally:
        await llm.close()


def make_llm(settings: Settings, stand_in_url: str) -> Llm:
    base_url = settings.openai_base_url or f"{stand_in_url}/v1"
    endpoint = settings.azure_endpoint or stand_in_url
    llm = Llm(
        blocking_client(settings, base_url),
        waiting_client(settings, base_url),
        azure_client(settings, endpoint),
        settings.openai_model,
        settings.openai_embedding_model,
        settings.azure_deployment,
    )
    for client in (llm.blocking, llm.waiting, llm.azure):
        _ = client.chat.completions, client.embeddings
    with suppress(ImportError):
        import_module("numpy")
    return llm


def blocking_client(settings: Settings, base_url: str) -> OpenAI:
    return OpenAI(
        api_key=settings.openai_api_key,
        base_url=base_url,
        timeout=TIMEOUT,
        max_retries=0,
        http_client=DefaultHttpxClient(
            limits=LIMITS, trust_env=settings.openai_base_url is not None
        ),
    )


def waiting_client(settings: Settings, base_url: str) -> AsyncOpenAI:
    return AsyncOpenAI(
        api_key=settings.openai_api_key,
        base_url=base_url,
        timeout=TIMEOUT,
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(
            limits=LIMITS, trust_env=settings.openai_base_url is not None
        ),
    )


def azure_client(settings: Settings, endpoint: str) -> AsyncAzureOpenAI:
    return AsyncAzureOpenAI(
        api_key=settings.azure_api_key,
        azure_endpoint=endpoint,
        api_version=settings.azure_api_version,
        timeout=TIMEOUT,
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(
            limits=LIMITS, trust_env=settings.azure_endpoint is not None
        ),
    )
