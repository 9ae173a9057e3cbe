"""The framework's own work on a request, in words: stacks made by hand."""

from types import CodeType

from loopwatch.core.evidence import Sample, Slow, Spot
from loopwatch.explain.culprit import explain
from loopwatch.explain.phase import ENCODING, VALIDATION, phase
from loopwatch.explain.site import DEFAULT
from loopwatch.exporters.log import sentence

HERE = __file__
LIBRARY = "/usr/lib/python3/site-packages/library.py"


def frame(module: str, name: str, file: str = LIBRARY, coroutine: bool = False) -> Spot:
    source = f"{'async ' * coroutine}def {name}(): pass"
    code = next(c for c in compile(source, file, "exec").co_consts if isinstance(c, CodeType))
    return Spot(code, 0, 1, module)


ROUTER = frame("fastapi.routing", "app", coroutine=True)
MIDDLEWARE = frame("shop.main", "timing", HERE)
ENDPOINT = frame("shop.main", "orders", HERE)
VALIDATOR = frame("shop.models", "check", HERE)
DUMPS = frame("json", "dumps")
SERIALIZE = frame("fastapi.routing", "serialize_response", coroutine=True)
ENCODER = frame("fastapi.encoders", "jsonable_encoder")
RENDER = frame("starlette.responses", "render")
BODY = frame("fastapi.dependencies.utils", "request_body_to_args", coroutine=True)
SOLVE = frame("fastapi.dependencies.utils", "solve_dependencies", coroutine=True)
JSON = frame("starlette.requests", "json", coroutine=True)


def named(*spots: Spot) -> str:
    return phase(spots, DEFAULT).name


def test_what_the_framework_does_for_a_request_has_a_name() -> None:
    assert named(ENCODER, ENCODER, SERIALIZE, ROUTER, MIDDLEWARE) == ENCODING
    assert named(DUMPS, RENDER, ROUTER) == ENCODING
    assert named(DUMPS, JSON, ROUTER) == VALIDATION
    assert named(BODY, SOLVE, ROUTER) == VALIDATION


def test_own_code_within_it_is_a_part_of_it() -> None:
    assert named(VALIDATOR, BODY, SOLVE, ROUTER) == VALIDATION


def test_own_code_that_does_it_is_not_the_framework() -> None:
    assert named(ENCODER, ENDPOINT, ROUTER) == ""
    assert named(DUMPS, JSON, ENDPOINT, ROUTER) == ""
    assert named(ENDPOINT, SOLVE, ROUTER) == ""  # a dependency
    assert named(ENCODER, MIDDLEWARE) == ""  # without a router


def test_the_log_says_so() -> None:
    spots = (VALIDATOR, BODY, SOLVE, ROUTER)
    slow = Slow(10.0, 0.5, "MainThread", samples=[Sample(10.1, False, spots, 0.3)])
    stall = explain(slow, now=11.0).stall
    assert stall.phase == VALIDATION
    assert "shop.models.check, in the validation of the body [" in sentence(stall)
