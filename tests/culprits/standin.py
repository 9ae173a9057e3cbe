"""A slow service on loopback, in a thread of its own: what blocking clients wait for."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

POLL = 60.0  # s between two wakes of its thread: each asks for the GIL

COMPLETION = {
    "id": "1",
    "object": "chat.completion",
    "created": 0,
    "model": "none",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ""}}
    ],
}


class SlowService(BaseHTTPRequestHandler):
    """Whatever is asked for below `/slow` takes 0.2 s."""

    def do_GET(self) -> None:
        if self.path.startswith("/slow"):
            time.sleep(0.2)
        body = json.dumps(COMPLETION).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


def start_service() -> str:
    """Return its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowService)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(POLL,), daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
