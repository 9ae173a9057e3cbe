"""A child by fork, which does one thing and ends."""

import os
import sys
import traceback
from collections.abc import Callable


def fork(act: Callable[[], object]) -> int:
    """Return the child's process id. It exits with 0, or with 3 if `act` raised, printed."""
    process = os.fork()
    if process == 0:
        try:
            act()
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
            os._exit(3)
        os._exit(0)
    return process
