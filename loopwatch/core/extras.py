"""What `loopwatch[extra]` installs: who needs it, and what to say where it is missing."""

from __future__ import annotations

NEEDED = {  # by a command as a whole: its extras
    "attach": "native,diagnose",
    "diagnose": "diagnose",
    "run": "run",
    "top": "top",
}


class MissingExtraError(Exception):
    """A package that an extra installs cannot be imported. `str` is one sentence that says so.

    `option` is the option that needs the package, where it is not the command as a whole that does.
    """

    def __init__(self, error: ImportError, extra: str, option: str = "") -> None:
        self._error, self._extra, self._option = error, extra, option
        super().__init__(self.told())

    def told(self, command: str = "") -> str:
        """Return the sentence for one command, with the extra of that command."""
        who = " ".join(word for word in ("loopwatch", command, self._option) if word)
        extra = self._extra if self._option else NEEDED.get(command, self._extra)
        install = f"pip install 'loopwatch[{extra}]'"
        if isinstance(self._error, ModuleNotFoundError):
            return f"{who} must have {self._error.name}, and it is not installed: {install}"
        why = " ".join(str(self._error).split())
        return (
            f"{who} must be able to import {self._error.name or 'its packages'}, and that fails "
            f"({why}): install it anew, {install} --force-reinstall"
        )
