"""Spots for the tests of sites: where the caller is, and what is made up of code that never ran."""

import json
import sys
from pathlib import Path
from types import CodeType, FrameType

from loopwatch.core.evidence import Spot


def here() -> tuple[Spot, ...]:
    """Return the caller's stack as spots, innermost first, down to its module's last frame."""
    spots: list[Spot] = []
    frame: FrameType | None = sys._getframe(1)
    name = sys._getframe(1).f_globals["__name__"]
    while frame is not None and (not spots or frame.f_globals["__name__"] == name):
        module = str(frame.f_globals["__name__"])
        spots.append(Spot(frame.f_code, frame.f_lasti, frame.f_lineno, module))
        frame = frame.f_back
    return tuple(spots)


def spot_in(module: str, file: str, source: str = "def f(): pass", line: int = 1) -> Spot:
    namespace: dict[str, object] = {}
    code = compile(source, file, "exec")
    exec(code, namespace)
    inner = next(c for c in code.co_consts if isinstance(c, CodeType))
    return Spot(inner, 0, line, module)


STDLIB = spot_in("json.decoder", json.__file__)
INSTALLED = spot_in("httpx._client", "/x/lib/python3.12/site-packages/httpx/_client.py")
FRAMEWORK = spot_in("starlette.routing", "/x/lib/python3.12/site-packages/starlette/routing.py")
SERVER = spot_in("uvicorn.protocols", "/x/dist-packages/uvicorn/protocols.py")
FROZEN = spot_in("importlib._bootstrap", "<frozen importlib._bootstrap>")
OURS = spot_in("loopwatch.web.middleware", str(Path(sys.modules["loopwatch"].__file__ or "")))
OWN = spot_in("shop.prices", "/app/shop/prices.py", line=12)
OUTER = spot_in("shop.main", "/app/shop/main.py", line=3)
