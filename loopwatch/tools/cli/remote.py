"""The live page of a running app, read over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.download import RefusedError, download
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

    def read(self, name: str) -> Any:
        """Return the parsed JSON of `name` beside the page.

        Raises:
            CommandError: there is no answer, or it is not from a live page of loopwatch.
        """
        url = self.url + name
        try:
            return parsed(download(url, self.patience))
        except RefusedError as error:
            raise self._stranger(str(error)) from error
        except ValueError as error:  # no JSON, no UTF-8
            raise self._stranger(f"{url} is no JSON that can be used ({error})") from error
        except TimeoutError as error:
            raise CommandError(
                f"{self.url} must answer within {self.patience:g} s, and does not: {HINT}"
            ) from error
        except OSError as error:
            raise CommandError(f"{self.url} must answer, and does not ({error}): {HINT}") from error

    def snapshot(self) -> dict[str, Any]:
        """Return `snapshot.json`; raises CommandError if it is something else."""
        found = self.read("snapshot.json")
        if not isinstance(found, dict) or not {"version", "taken_at", "loops"} <= found.keys():
            raise self._stranger(f"{self.url}snapshot.json is not from loopwatch")
        return found

    def _stranger(self, what: str) -> CommandError:
        return CommandError(f"{self.url} must be a live page of loopwatch, and {what}: {HINT}")
