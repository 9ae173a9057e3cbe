"""A live page of loopwatch somewhere else, read over HTTP."""

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
    """Reads what lies beside a live page: `snapshot.json` and the rest.

    Raises:
        CommandError: `url` is none that could be asked.
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
        """Return what `name` beside the page says, as JSON.

        Raises:
            CommandError: nobody answers there, or it is no live page of loopwatch.
        """
        url = self.url + name
        try:
            with self._opener.open(url, timeout=self.patience) as answer:
                found = json.load(answer)
        except HTTPError as error:
            raise self._stranger(f"{url} answers {error.code}") from error
        except ValueError as error:  # no JSON, no UTF-8
            raise self._stranger(f"{url} is no JSON") from error
        except (OSError, HTTPException) as error:
            why = getattr(error, "reason", None) or error
            raise CommandError(f"{self.url} must answer, and does not ({why}): {HINT}") from error
        return found

    def snapshot(self) -> dict[str, Any]:
        """Return `snapshot.json`; raises CommandError if that is not what it is."""
        found = self.read("snapshot.json")
        if not isinstance(found, dict) or not {"version", "taken_at", "loops"} <= found.keys():
            raise self._stranger(f"{self.url}snapshot.json is none of loopwatch's")
        return found

    def _stranger(self, what: str) -> CommandError:
        return CommandError(f"{self.url} must be a live page of loopwatch, and {what}: {HINT}")
