"""What Litestar leaves in the ASGI scope: the template, unless it hands over to a mounted app.

Of a mount, only the part of the path behind it is left; mounts have no parameters, so the tree of
routes is asked which one it was. Static files are mounts too.
"""

from __future__ import annotations

from typing import Any

from loopwatch.routing.leg import Leg, attached


def leg(scope: Any) -> Leg | None:
    """Return what Litestar has left in a scope, None if it has not routed."""
    handler, template = scope.get("route_handler"), scope.get("path_template")
    if handler is None or not isinstance(template, str):
        return None
    function = getattr(handler, "fn", None)
    if not getattr(handler, "is_mount", False):
        return Leg(template, function)
    mount = _mount(scope)
    return None if mount is None else Leg(mount, function, more=True, bare=mount)


def _mount(scope: Any) -> str | None:
    router = getattr(scope.get("litestar_app"), "asgi_router", None)
    mounts = getattr(router, "_mount_routes", None) or ()
    raw = attached("", scope.get("raw_path", b"").decode(errors="replace")).removeprefix(
        scope.get("root_path", "")
    )
    found = [m for m in mounts if raw == m or raw.startswith(m.rstrip("/") + "/")]
    return max(found, key=len, default=None)
