"""Connexion: operations of an OpenAPI document, behind routers of its own."""

import time

from connexion import AsyncApp

from tests.frameworks.asked import HOLD, Asked


async def item(item: int) -> str:
    time.sleep(HOLD)  # held
    return "item"


def operation(name: str) -> dict[str, object]:
    parameter = {"name": "item", "in": "path", "required": True, "schema": {"type": "integer"}}
    return {
        "operationId": f"{__name__}.{name}",
        "parameters": [parameter],
        "responses": {"200": {"description": "fine"}},
    }


app = AsyncApp(__name__)
app.add_api(
    {
        "openapi": "3.0.0",
        "info": {"title": "shop", "version": "1"},
        "servers": [{"url": "/shop"}],
        "paths": {"/items/{item}": {"get": operation("item")}},
    }
)
ROWS = [Asked("/shop/items/1", item, "/shop/items/{item}")]
