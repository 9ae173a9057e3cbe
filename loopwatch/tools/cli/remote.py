"""The live page of a running app, read over HTTP."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from loopwatch.tools.cli.command_error import CommandError

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
        self._opener = build_opener(ProxyHandler({}))

    def read(self, name: str) -> Any:
        """Return the parsed JSON of `name` beside the page.

        Raises:
            CommandError: there is no answer, or it is not from a live page of loopwatch.
        """
        url = self.url + name
        try:
            with self._opener.open(url, timeout=self.patience) as answer:
                found = json.load(answer)
        except HTTPError as error:
            raise self._stranger(f"{url} answers {error.code}") from error
        except ValueError as error:  # no JSON, no UTF-8
            raise self._stranger(f"{url} is not JSON") from error
        except (OSError, HTTPException) as error:
            why = getattr(error, "reason", None) or error
            raise CommandError(f"{self.url} must answer, and does not ({why}): {HINT}") from error
        return found

    def snapshot(self) -> dict[str, Any]:
        """Return `snapshot.json`; raises CommandError if it is something else."""
        found = self.read("snapshot.json")
        if not isinstance(found, dict) or not {"version", "taken_at", "loops"} <= found.keys():
            raise self._stranger(f"{self.url}snapshot.json is not from loopwatch")
        return found

    def _stranger(self, what: str) -> CommandError:
        return CommandError(f"{self.url} must be a live page of loopwatch, and {what}: {HINT}")
