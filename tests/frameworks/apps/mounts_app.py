"""Apps of several frameworks, mounted in a FastAPI app or behind its catch-all."""

from typing import Any

from fastapi import FastAPI
from litestar import Litestar
from starlette.routing import Mount, Route

from tests.frameworks.asked import Asked

from . import connexion_app, django_app, falcon_app, litestar_app, socketio_app

app = FastAPI()


class Behind:
    """An ASGI app as the endpoint of a catch-all: what it calls sees the whole path."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await falcon_app.app(scope, receive, send)


app.mount("/django/{tenant}", django_app.app)
app.mount("/connexion", connexion_app.app)
app.mount("/falcon", falcon_app.app)
app.mount("/litestar", Litestar([litestar_app.item]))
app.router.routes.append(Mount("/deep", routes=[Mount("/er", app=socketio_app.app)]))
app.router.routes.append(Route("/{rest:path}", Behind()))
ROWS = [
    Asked("/django/acme/shop/items/1/", django_app.item, "/django/{tenant}/shop/items/<int:item>/"),
    Asked("/connexion/shop/items/1", connexion_app.item, "/connexion/shop/items/{item}"),
    Asked("/litestar/items/1", litestar_app.item.fn, "/litestar/items/{item}"),
    Asked("/shop/items/1", falcon_app.Item.on_get, "/shop/items/{item}"),
]
