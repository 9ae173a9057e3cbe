"""Exit status of a benchmark with bounds: 0; 1 if one is exceeded; 2 if something failed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from progress import note


def run(main: Callable[[], int], script: str) -> NoReturn:
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (RuntimeError, OSError) as error:
        note(f"{script}: {error}")
        sys.exit(2)


def status(exceeded: Iterable[str], *, failed: bool) -> int:
    sentences = list(exceeded)
    for sentence in sentences:
        note(sentence)
    return 2 if failed else int(bool(sentences))
