"""The error of a diagnosis that cannot do what was asked."""


class DiagnosisError(Exception):
    """One line that says what must hold, what came, what to do."""
