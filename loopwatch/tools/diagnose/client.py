"""The HTTP client of the load: aiohttp, imported only here."""

from __future__ import annotations

from types import TracebackType

from loopwatch.core.extras import MissingExtraError
from loopwatch.tools.diagnose.plan import Shot

try:
    import aiohttp
except ImportError as error:
    raise MissingExtraError(error, "diagnose") from error

CONNECTIONS = 900  # open at once: by default a process has 1024 file descriptors


class Client:
    """Sends requests to one address; keeps connections open, ignores cookies and redirects."""

    def __init__(self, url: str, patience: float) -> None:
        self._url = url.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=patience),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def send(self, shot: Shot) -> str:
        """Return the status once the answer is complete; `timeout` or `connection` if it fails."""
        try:
            async with self._session.request(
                shot.method,
                self._url + shot.path,
                headers=shot.headers,
                data=shot.body,
                allow_redirects=False,
            ) as answer:
                await answer.read()
                return str(answer.status)
        except TimeoutError:
            return "timeout"
        except (aiohttp.ClientError, OSError):
            return "connection"
