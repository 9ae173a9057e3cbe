"""An app that does not start up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    connect()
    yield


def connect() -> None:
    raise RuntimeError("no database")


app = Starlette(lifespan=lifespan)
