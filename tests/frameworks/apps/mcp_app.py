"""The MCP SDK: tools, whose calls run in a task of the session."""

import time

import httpx

try:
    from mcp.server.mcpserver import MCPServer as Made
except ImportError:  # before 2.0
    from mcp.server.fastmcp import FastMCP as Made

from tests.frameworks.asked import HOLD, Asked

server = Made("shop")


@server.tool()
async def price(item: int) -> str:
    time.sleep(HOLD)  # held
    return "price"


@server.tool()
async def stock(item: int) -> str:
    return "stock"


HEADERS = {"accept": "application/json, text/event-stream"}
HELLO = {
    "protocolVersion": "2025-03-26",
    "capabilities": {},
    "clientInfo": {"name": "table", "version": "1"},
}


def call(address: str) -> None:
    def post(what: dict[str, object]) -> httpx.Response:
        answer = client.post("/mcp", json={"jsonrpc": "2.0", **what})
        answer.raise_for_status()
        return answer

    with httpx.Client(
        base_url=f"http://{address}", headers=HEADERS, trust_env=False, timeout=20
    ) as client:
        begun = post({"id": 1, "method": "initialize", "params": HELLO})
        if "mcp-session-id" in begun.headers:
            client.headers["mcp-session-id"] = begun.headers["mcp-session-id"]
        post({"method": "notifications/initialized"})
        quick = {"name": "stock", "arguments": {"item": 1}}  # what the first call imports
        post({"id": 3, "method": "tools/call", "params": quick})
        asked = {"name": "price", "arguments": {"item": 1}}
        answer = post({"id": 2, "method": "tools/call", "params": asked})
        assert "price" in answer.text, answer.text


app = server.streamable_http_app()
ROWS = [Asked("tool", price, "/mcp", method="POST", talk=call)]
