"""What the commands say of wrong arguments."""

from tests.tools.cli.running import loopwatch


def complaint(*arguments: str, **environment: str) -> str:
    """Return the one line that the command says."""
    done = loopwatch(*arguments, **environment)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("loopwatch: ")
    return line
