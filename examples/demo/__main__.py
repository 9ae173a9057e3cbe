"""`python -m examples.demo`: serve the demo, visit it for a moment, name the culprits."""

import signal
import sys


def leave(*_: object) -> None:
    """Make Ctrl-C an ordinary end, at any moment: while importing, too, and with no traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one has nothing left to end
    raise SystemExit(0)


def main() -> int:
    signal.signal(signal.SIGINT, leave)
    from examples.demo.serve import serve  # takes a second, in which Ctrl-C may come

    return serve(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
