"""One row of the table: a framework's app under a server, played and judged."""

import importlib.util
import json
import sys
from typing import Any

from tests.conftest import CHECKOUT, run_to_its_end

PACKAGES = {  # by app: what it needs beside FastAPI
    "starlette_app": (),
    "fastapi_app": (),
    "litestar_app": ("litestar",),
    "django_app": ("django", "channels"),
    "quart_app": ("quart",),
    "falcon_app": ("falcon",),
    "sanic_asgi_app": ("sanic",),
    "blacksheep_app": ("blacksheep",),
    "connexion_app": ("connexion",),
    "ravyn_app": ("ravyn",),
    "socketio_app": ("socketio",),
    "strawberry_app": ("strawberry",),
    "mcp_app": ("mcp",),
    "fastmcp_app": ("fastmcp",),
    "mounts_app": ("litestar", "django", "channels", "falcon", "connexion", "socketio"),
}


def play(app: str, loops: tuple[str, ...]) -> tuple[dict[str, Any], float]:
    """Return what was told of an app by loop and row, and for how long threads had no CPU."""
    command = [sys.executable, "-m", "tests.frameworks.child", app, *loops]
    printed = run_to_its_end(command, 120, PYTHONPATH=str(CHECKOUT)).stdout
    told: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return told, told.pop("waited")


def missing_for(app: str) -> list[str]:
    return [name for name in PACKAGES[app] if importlib.util.find_spec(name) is None]


def faults(row: str, found: dict[str, Any]) -> list[str]:
    """Return what is wrong in a row, one sentence each."""
    expected = found["expected"]
    stalls = [stall for stall in found["told"] if stall["function"] == expected["function"]]
    if len(stalls) != 1:
        return [f"{row}: {len(stalls)} stalls, told {found['told']}"]
    wrong = [
        f"{row}: {name} {stalls[0][name]} instead of {expected[name]}"
        for name in expected
        if stalls[0][name] != expected[name]
    ]
    if not found["counted"]:
        wrong.append(f"{row}: its request was counted elsewhere: {found['requests']}")
    return wrong
