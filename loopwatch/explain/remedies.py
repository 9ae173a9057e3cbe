"""The tables of advice in their order: what to use instead of a call that held the loop.

Of one library, or of one call, the first row that fits is taken: special cases stand above what is
said of the library as a whole.
"""

from __future__ import annotations

from loopwatch.explain.setup_remedies import SETUP
from loopwatch.explain.waiting_remedies import WAITING
from loopwatch.explain.working_remedies import WORKING

REMEDIES = (*SETUP, *WAITING, *WORKING)
