"""The error of a command that cannot do what was asked."""


class CommandError(Exception):
    """One line that says what must hold, what came, what to do."""
