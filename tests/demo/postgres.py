"""A real PostgreSQL for the tests: Debian's binaries, a directory of its own, loopback only.

As a command, `python -m tests.demo.postgres COMMAND...` runs COMMAND with DATABASE_URL set.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.ports import HOST, free_port

USER = "postgres"  # PostgreSQL refuses to run as root


class PostgresMissingError(RuntimeError):
    """There is no PostgreSQL here; says how to get one."""


@contextmanager
def running_postgres() -> Iterator[str]:
    """Start a PostgreSQL, give its DATABASE_URL, and remove every trace of it.

    Raises:
        PostgresMissingError: it is not installed, and this is not CI, which installs it.
    """
    binaries = find_binaries()
    with tempfile.TemporaryDirectory(prefix="loopwatch-postgres-") as folder:
        data = Path(folder) / "data"
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        run([binaries / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "-N"])
        port = free_port()
        options = f"-h {HOST} -p {port} -k '' -c fsync=off"
        log = Path(folder) / "log"
        run([binaries / "pg_ctl", "-D", data, "-l", log, "-w", "-t", 60, "-o", options, "start"])
        try:
            yield f"postgresql://{USER}@{HOST}:{port}/postgres"
        finally:
            run([binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"])


def find_binaries() -> Path:
    found = installed()
    if found is None and os.environ.get("CI") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update"], check=True)
        subprocess.run(["apt-get", "install", "-y", "postgresql"], check=True)
        found = installed()
    if found is None:
        raise PostgresMissingError(
            "PostgreSQL's initdb must be in /usr/lib/postgresql/*/bin or on PATH, found none: "
            "apt-get install postgresql"
        )
    return found


def installed() -> Path | None:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=version)
    if debian:
        return debian[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere else None


def version(initdb: Path) -> float:
    return float(initdb.parts[-3])


def run(command: Sequence[object]) -> None:
    """Run one of PostgreSQL's programs, as its user where we are root."""
    done = subprocess.run(
        [str(word) for word in command],
        user=USER if os.geteuid() == 0 else None,
        extra_groups=[] if os.geteuid() == 0 else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed with {done.returncode}:\n{done.stdout}")


def main(command: Sequence[str]) -> int:
    if not command:
        print("usage: python -m tests.demo.postgres COMMAND...", file=sys.stderr)
        return 2
    with running_postgres() as url:
        return subprocess.run(
            command, env=os.environ | {"DATABASE_URL": url}, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
