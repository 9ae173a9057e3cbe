"""The terminal: permanent lines, one progress line, and log records."""

import logging
import sys
import threading
import time

PLAIN_INTERVAL = 2.0  # s between progress lines without a terminal
CLEAR = "\r\x1b[K"


class Console(logging.Handler):
    """A log handler that shares standard output with a progress line; thread-safe."""

    def __init__(self) -> None:
        super().__init__()
        self._writing = threading.RLock()
        self._live = sys.stdout.isatty()
        self._progress = ""
        self._shown_at = -PLAIN_INTERVAL

    def line(self, text: str = "") -> None:
        """Print `text`, above the progress line if there is one."""
        with self._writing:
            self._write(f"{CLEAR if self._progress else ''}{text}\n{self._progress}")

    def progress(self, text: str) -> None:
        """Replace the progress line with `text`; without a terminal, print it every 2 s."""
        with self._writing:
            if self._live:
                self._progress = text
                self._write(CLEAR + text)
            elif time.monotonic() - self._shown_at >= PLAIN_INTERVAL:
                self._shown_at = time.monotonic()
                self._write(text + "\n")

    def end_progress(self) -> None:
        """Remove the progress line."""
        with self._writing:
            if self._progress:
                self._progress = ""
                self._write(CLEAR)

    def emit(self, record: logging.LogRecord) -> None:
        self.line(self.format(record))

    def _write(self, text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except (OSError, ValueError):  # the reader is gone: continue to serve
            pass


def log_to(console: Console) -> None:
    """Show all warnings, and loopwatch's messages at its start, on `console`."""
    console.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[console], force=True)
    logging.getLogger("loopwatch").setLevel(logging.INFO)
