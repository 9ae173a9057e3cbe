"""The text of the C files."""

import re
from pathlib import Path

from loopwatch.core import request

NATIVE = Path(request.__file__).parent.parent / "native"


def text(file: str) -> str:
    """Return a C file without its comments."""
    return re.sub(r"/\*.*?\*/", "", (NATIVE / file).read_text("utf-8"), flags=re.DOTALL)
