"""What a command says when it cannot do what it was asked."""


class CommandError(Exception):
    """One line that says what must hold, what came, what to do."""
