"""An app served to a browser, and what is read of the live page there."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from tests.web.page.browser import Tab

BARS = "[...document.querySelectorAll('#flame > *')]"
DASH = "\u2013"  # nothing is known
READ = "document.querySelector('#state')?.className === 'state live'"


@contextmanager
def served(app: Any, loop: Any = "asyncio") -> Iterator[str]:
    """Serve an app on a thread; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, lifespan="off", loop=loop)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(timeout=20)


def see(tab: Tab, url: str) -> None:
    tab.complaints.clear()
    tab.requested.clear()
    tab.go(url)
    tab.wait_for(READ)


def text(tab: Tab, selector: str) -> str:
    return str(tab.run(f"document.querySelector({selector!r}).textContent"))
