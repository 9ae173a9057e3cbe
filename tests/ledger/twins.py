"""What either twin leaves of a request, as numbers; Python's in a process without the other.

Not compared: `steps` and `seconds` of a request that has ended. Its row has them; Python mostly
sets them to 0, C leaves them.
"""

import json
from typing import Any

import pytest

from loopwatch.core import speedups as twin
from loopwatch.core.recent import PARTS
from loopwatch.core.request import Request
from loopwatch.ledger.request_row import RequestRow
from tests.conftest import run_script

speedups: Any = twin.speedups
needs_both = pytest.mark.skipif(speedups is None, reason="the compiled twin was not built")
FINE = 2.0**-18  # s: all durations are multiples of it, so that their sums are exact
OF_REQUEST = (
    *("started", "ended", "stepped", "queued", "responded", "settled", "taken", "stalled"),
    *("pooled", "charged", "charged_background", "charged_stalled", "span"),
)
OF_ROW = ("running", "background", "queued", "stalled", "pooled", "time", "finished")


def state_of(row: RequestRow) -> list[Any]:
    """Return every number of a row, and its latest three requests."""
    steps = row.steps
    return [
        [getattr(row, name) for name in OF_ROW],
        [*row.counts],
        [*row.sums],
        [steps.steps, steps.seconds, *steps.counts, *steps.sums],
        row.recent()[-3 * PARTS * 8 :].hex(),
    ]


def state_of_request(request: Request) -> list[Any]:
    of_request = [getattr(request, name) for name in OF_REQUEST]
    return [*of_request, [*request.times], request.scope, request.row.method]


def in_python(module: str, expression: str, *arguments: str) -> Any:
    """Return what an expression of a module gives in a process without the compiled twin."""
    printed = run_script(
        f"""
        import json, sys
        sys.modules["loopwatch._speedups"] = None
        from {module} import *
        from loopwatch.loop.step_timing import COMPILED
        assert not COMPILED
        print(json.dumps({expression}))
        """,
        *arguments,
    )
    return json.loads(printed)
