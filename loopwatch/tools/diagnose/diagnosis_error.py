"""What a diagnosis says when it cannot do what it was asked."""


class DiagnosisError(Exception):
    """One line that says what must hold, what came, what to do."""
