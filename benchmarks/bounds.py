"""The bounds of loopwatch's cost, and a sentence for each bound that is exceeded.

On asyncio, loopwatch must cost less than an empty ASGI middleware in the same run. The other bounds
are instructions per request, relative to the bare app.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from results import Results
from table import label, percent

AT_MOST = {
    ("loopwatch", "uvloop", "fastapi"): 1.019,
    ("loopwatch", "uvloop", "starlette"): 1.035,
    ("loopwatch-python", "asyncio", "fastapi"): 1.09,
    ("loopwatch-python", "asyncio", "starlette"): 1.17,
    ("loopwatch-python", "uvloop", "fastapi"): 1.11,
    ("loopwatch-python", "uvloop", "starlette"): 1.22,
}
STEP_AT_MOST = 1.02  # a route with a step of 2 ms, over the same one with short steps


def broken(results: Results) -> Iterator[str]:
    """Yield a sentence for each bound that is exceeded or whose figures were not measured."""
    if "instructions" in results.plan.measures:
        yield from _costly(results)
    if "step" in results.plan.measures:
        yield from _costly_steps(results)


def _costly(results: Results) -> Iterator[str]:
    for variant in [v for v in results.plan.variants if v.startswith("loopwatch")]:
        for app, loop in results.plan.columns("instructions"):
            at_most = AT_MOST.get((variant, loop, app))
            if at_most is None:
                yield from _above_empty(results, app, loop)
            else:
                ratio = results.ratio(app, loop, variant)
                where = f"{label(variant)} on {app}, {loop},"
                yield from _above(where, ratio, at_most, "over the bare app")


def _above_empty(results: Results, app: str, loop: str) -> Iterator[str]:
    mine, empty = (results.ratio(app, loop, variant) for variant in ("loopwatch", "empty"))
    must = f"loopwatch on {app}, {loop}, must cost less than an empty ASGI middleware"
    if mine is None or empty is None:
        yield f"{must}: one of them was not measured"
    elif mine >= empty:
        yield f"{must}, {percent(empty, 2)}: it costs {percent(mine, 2)}"


def _costly_steps(results: Results) -> Iterator[str]:
    for setup in results.plan.setups("step"):
        ratios = results.figures.get(("step", setup))
        ratio = median(ratios) if ratios else None
        where = f"a step of 2 ms of the FastAPI route on {setup.loop}"
        yield from _above(where, ratio, STEP_AT_MOST, "over a short one")


def _above(what: str, ratio: float | None, at_most: float, over: str) -> Iterator[str]:
    must = f"{what} must cost at most {percent(at_most, 2)} {over}"
    if ratio is None:
        yield f"{must}: it was not measured"
    elif ratio > at_most:
        yield f"{must}: it costs {percent(ratio, 2)}"
