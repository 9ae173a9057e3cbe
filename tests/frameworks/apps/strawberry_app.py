"""Strawberry: resolvers behind its own ASGI app, mounted in Starlette."""

import time

import httpx
import strawberry
from starlette.applications import Starlette
from starlette.routing import Mount
from strawberry.asgi import GraphQL

from tests.frameworks.asked import HOLD, Asked


@strawberry.type
class Query:
    @strawberry.field
    async def item(self) -> str:
        return await loaded()

    @strawberry.field
    def sync(self) -> str:
        time.sleep(HOLD)  # held
        return "sync"


async def loaded() -> str:
    time.sleep(HOLD)  # held
    return "item"


def query(address: str, field: str) -> None:
    url = f"http://{address}/graphql/"
    asked = {"query": f"{{ {field} }}"}
    httpx.post(url, json=asked, trust_env=False, timeout=20).raise_for_status()


RESOLVER = f"{__name__}.Query.item"
schema = strawberry.Schema(Query)
app = Starlette(routes=[Mount("/graphql", app=GraphQL(schema))])
ROWS = [
    Asked("item", loaded, "/graphql", RESOLVER, "POST", lambda address: query(address, "item")),
]
