"""The live page of a running app, read over HTTP."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.download import BusyError, RefusedError, download
from loopwatch.tools.cli.json_text import parsed

PATIENCE = 10.0  # s for an answer
HINT = "give the address of a live page, such as http://127.0.0.1:9464 or where the app mounts it"


class Remote:
    """Reads the files beside a live page: `snapshot.json` and the others.

    Raises:
        CommandError: `url` is not an HTTP address.
    """

    def __init__(self, url: str, patience: float = PATIENCE) -> None:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            usable = usable and (parts.port or 1) > 0 and not (parts.query or parts.fragment)
        except ValueError:
            usable = False
        if not usable:
            raise CommandError(f"URL must be an http:// or https:// address, got {url!r}: {HINT}")
        self.url = url.rstrip("/") + "/"
        self.patience = patience
        self.is_busy = False  # its latest answer said to ask again later

    def read(self, name: str) -> Any:
        """Return the parsed JSON of `name` beside the page.

        Raises:
            CommandError: there is no answer, or it is not from a live page of loopwatch.
        """
        return self.text(name)[1]

    def text(self, name: str) -> tuple[bytes, Any]:
        """Return the same, as it came and parsed; raises as `read` does."""
        url = self.url + name
        try:
            found = self._asked(url, time.monotonic() + self.patience)
            return found, parsed(found)
        except RefusedError as error:
            raise self._stranger(str(error)) from error
        except ValueError as error:  # no JSON, no UTF-8
            raise self._stranger(f"{url} is no JSON that can be used ({error})") from error
        except (BusyError, TimeoutError) as error:
            raise self._too_late() from error
        except OSError as error:
            raise CommandError(f"{self.url} must answer, and does not ({error}): {HINT}") from error

    def _asked(self, url: str, deadline: float) -> bytes:
        """Return an answer; one that is busy is asked again until the deadline (monotonic, s)."""
        while True:
            try:
                found = download(url, max(0.001, deadline - time.monotonic()))
            except BusyError as busy:
                self.is_busy = True
                if time.monotonic() + busy.again_in >= deadline:
                    raise
                time.sleep(busy.again_in)
            else:
                self.is_busy = False
                return found

    def snapshot(self) -> dict[str, Any]:
        """Return `snapshot.json`; raises CommandError if it is something else."""
        found = self.read("snapshot.json")
        if not isinstance(found, dict) or not {"version", "taken_at", "loops"} <= found.keys():
            raise self._stranger(f"{self.url}snapshot.json is not from loopwatch")
        return found

    def requests(self) -> dict[str, Any] | None:
        """Return `requests.json`; None where there is none, as of a version before it."""
        try:
            found = self.read("requests.json")
        except CommandError:
            return None
        return found if isinstance(found, dict) else None

    def _too_late(self) -> CommandError:
        if not self.is_busy:
            why = f"does not: {HINT}"
        else:
            why = "is busy (it answers 503): ask again when fewer ask, or the app has less to do"
        return CommandError(f"{self.url} must answer within {self.patience:g} s, and {why}")

    def _stranger(self, what: str) -> CommandError:
        return CommandError(f"{self.url} must be a live page of loopwatch, and {what}: {HINT}")
