"""A small OTLP/HTTP receiver: keeps every body by path."""

import gzip
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Receiver:
    """What has been received, and where to send it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.bodies: dict[str, list[bytes]] = defaultdict(list)

    def wait_for(self, *paths: str) -> dict[str, list[bytes]]:
        """Return the bodies by path, once there are some at each."""
        deadline = time.monotonic() + 10
        while not all(self.bodies[path] for path in paths):
            assert time.monotonic() < deadline, f"received only {dict(self.bodies).keys()}"
            time.sleep(0.05)
        return self.bodies


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            zipped = self.headers.get("content-encoding") == "gzip"
            receiver.bodies[self.path].append(gzip.decompress(body) if zipped else body)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
