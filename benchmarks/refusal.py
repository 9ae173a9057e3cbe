"""The error for something that cannot be measured here."""

from __future__ import annotations


class NotApplicableError(Exception):
    """This variant or measure does not apply here; the message says why."""
