"""Why something cannot be measured here."""

from __future__ import annotations


class NotApplicableError(Exception):
    """What was asked for does nothing here; the message says why."""
