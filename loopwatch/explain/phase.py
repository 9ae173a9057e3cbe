"""The framework's own work on a request: validating its body, encoding its answer.

Such a stall has no line of the user's own, or only that of a validator. It is known by the
framework's frames that did it on behalf of the router, outside any own function: an endpoint that
encodes something itself stands on its own line.
"""

from __future__ import annotations

from typing import NamedTuple

from loopwatch.core.evidence import Spot
from loopwatch.core.stack import of_stack
from loopwatch.explain.site import SiteRules, not_router

VALIDATION = "the validation of the body"
ENCODING = "the encoding of the answer"

PHASES = {
    VALIDATION: {
        "fastapi.dependencies.utils": (
            *("request_body_to_args", "_validate_value_with_model_field"),
            *("_get_multidict_value", "_extract_form_body", "_process_model_fields"),
        ),
        "starlette.requests": ("body", "json", "form", "_get_form"),
        "starlette.formparsers": ("parse",),
        "litestar.connection.request": ("body", "json", "form", "msgpack"),
        "litestar._kwargs.kwargs_model": ("to_kwargs",),
        "litestar.serialization.msgspec_hooks": ("decode_json", "decode_msgpack"),
    },
    ENCODING: {
        "fastapi.routing": ("serialize_response", "_serialize_data", "_serialize_item"),
        "fastapi.encoders": ("jsonable_encoder",),
        "fastapi.responses": ("render",),
        "starlette.responses": ("render",),
        "litestar.response.base": ("render", "to_asgi_response"),
        "litestar.serialization.msgspec_hooks": ("encode_json", "encode_msgpack"),
    },
}
BY_PLACE = {
    (module, name): phase
    for phase, modules in PHASES.items()
    for module, names in modules.items()
    for name in names
}


class Phase(NamedTuple):
    """One of these phases, and the framework's frame that began it."""

    name: str  # "": none
    spot: Spot | None = None


NO_PHASE = Phase("")


def phase(spots: tuple[Spot, ...], rules: SiteRules) -> Phase:
    """Return which phase a stack is in: the outermost that the router called. Own code may run
    within it, but not around it."""
    found = phase_place(spots, rules)
    return NO_PHASE if found is None else Phase(found[0], spots[found[1]])


@of_stack
def phase_place(spots: tuple[Spot, ...], rules: SiteRules) -> tuple[str, int] | None:
    """Return a stack's phase, and where the framework's frame that began it is in the stack."""
    found: tuple[str, int] | None = None
    for place, spot in enumerate(spots):
        if rules.is_own(spot):
            found = None
        if name := BY_PLACE.get((spot.module, spot.code.co_name)):
            found = name, place
        if not not_router(spot):
            return found
    return None
