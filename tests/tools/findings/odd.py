"""Findings, an ordinary one and one with odd characters."""

from dataclasses import replace

from loopwatch import Frame
from loopwatch.tools.findings.finding import Finding

FINDING = Finding(
    id="0123456789abcdef",
    cause="blocking_call",
    site="shop.orders.total",
    file="/srv/shop/src/shop/orders.py",
    line=21,
    code="requests.get(url)",
    route="/orders/{id}",
    method="GET",
    coroutine="shop.orders.total",
    advice="Use httpx.",
    count=3,
    seconds=0.9,
    longest=0.4,
    tests=("tests/test_orders.py::test_total",),
    stack=(Frame("shop.orders.total", "/srv/shop/src/shop/orders.py", 21),),
)
ODD = replace(
    FINDING,
    file="/elsewhere/ü b.py",
    code='x("\x1b[31m\u202e")',
    site="_NONE",
    route=None,
    exact=False,
    advice="100 % of it:\r\n::error::no, really",
    known=True,
    level="note",
)
