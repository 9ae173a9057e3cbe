"""`python -m examples.demo`: serve the demo, load it for a short time, name the culprits."""

import signal
import sys


def leave(*_: object) -> None:
    """Exit without a traceback at Ctrl-C, at any moment, even during imports."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ignore a second one
    raise SystemExit(0)


def main() -> int:
    signal.signal(signal.SIGINT, leave)
    from examples.demo.serve import serve  # takes a second: Ctrl-C may come

    return serve(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
