"""Requests begun at a moment, and a table that knows their route, for the tests of the ledger."""

from contextvars import Context
from typing import Any

from loopwatch.core.record_types import RequestReading
from loopwatch.core.request import Request, begin
from loopwatch.ledger.request_table import RequestTable
from loopwatch.ledger.step_table import StepTable


def told(request: Request) -> tuple[str | None, Any]:
    return request.scope.get("told"), request.scope.get("endpoint")


def table(lone: bool = True) -> RequestTable:
    return RequestTable(StepTable(), told, lambda request: lone)


def begun(started: float, **more: Any) -> Request:
    scope = {"type": "http", "method": "GET", "told": "/row", "endpoint": "row"}
    request = Context().run(begin, None, scope | more)
    request.started = started
    return request


def only(requests: RequestTable) -> RequestReading:
    (reading,) = requests.readings(recent=True)
    return reading
