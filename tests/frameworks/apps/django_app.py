"""Django: `path`, `re_path`, async and class-based views; websockets by Channels."""

import time
from typing import Any

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import include, path, re_path
from django.views import View

from tests.frameworks.asked import HOLD, Asked

settings.configure(
    ROOT_URLCONF=__name__, SECRET_KEY="none", ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None
)
django.setup()


async def item(request: Any, item: int) -> HttpResponse:
    time.sleep(HOLD)  # held
    return HttpResponse("item")


async def dated(request: Any, year: str) -> HttpResponse:
    time.sleep(HOLD)  # held
    return HttpResponse("dated")


class Page(View):
    async def get(self, request: Any, slug: str) -> HttpResponse:
        time.sleep(HOLD)  # held
        return HttpResponse("page")


class Live(AsyncWebsocketConsumer):
    async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
        time.sleep(HOLD)  # held
        await self.send(text_data="done")


urlpatterns = [
    path("shop/", include([path("items/<int:item>/", item)])),
    re_path(r"^dated/(?P<year>[0-9]{4})/$", dated),
    path("pages/<slug:slug>/", Page.as_view()),
]
sockets = URLRouter([path("live/", URLRouter([path("<int:item>/", Live.as_asgi())]))])
app = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": sockets})
LIVE = f"{__name__}.Live"  # the consumer as a whole is the endpoint
ROWS = [
    Asked("/shop/items/1/", item, "/shop/items/<int:item>/"),
    Asked("/dated/2024/", dated, "/dated/<year>/"),
    Asked("/pages/a/", Page.get, "/pages/<slug:slug>/"),
    Asked("/live/1/", Live.receive, "/live/<int:item>/", LIVE, "WEBSOCKET"),
]
