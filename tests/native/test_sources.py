"""The C files of the compiled twin: short, headed by what they hold, and without a warning."""

import functools
import re
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

NATIVE = Path(__file__).resolve().parents[2] / "loopwatch" / "native"
LONGEST = 300  # lines
SOURCES = sorted(path.name for path in NATIVE.glob("*.c"))
HEADERS = sorted(path.name for path in NATIVE.glob("*.h"))
STRICT = ("-fsyntax-only", "-Wall", "-Wextra", "-Werror")
ALLOWED = (
    "-Wno-missing-field-initializers",
    "-Wno-cast-function-type",
)  # of tables


@functools.cache
def complaints() -> dict[str, str]:
    """Return what gcc has to say of each C file, and of each header alone."""
    headers = Path(sysconfig.get_path("include"))
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    if not (headers / "Python.h").is_file():
        pytest.skip(f"Python's headers are not installed: there is no {headers / 'Python.h'}")

    def compile_one(name: str) -> str:
        command = ["gcc", *STRICT, *ALLOWED, f"-I{headers}", "-x", "c", str(NATIVE / name)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.stderr or ("" if done.returncode == 0 else f"gcc ended with {done.returncode}")

    with ThreadPoolExecutor(2) as pool:
        names = [*SOURCES, *HEADERS]
        return dict(zip(names, pool.map(compile_one, names), strict=True))


def opening_comment(name: str) -> str:
    """Return the words of the comment that a file opens with."""
    found = re.match(r"/\*(.*?)\*/", (NATIVE / name).read_text(encoding="utf-8"), re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def test_there_are_sources() -> None:
    assert {"module.c", "exchange.c", "scheduled.c"} <= set(SOURCES)


def test_no_long_files() -> None:
    lengths = {
        path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in NATIVE.iterdir()
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


@pytest.mark.parametrize("name", [*SOURCES, *HEADERS])
def test_a_file_opens_with_what_it_holds(name: str) -> None:
    words = opening_comment(name)
    assert len(words.split()) >= 4
    assert re.search(r"[.:]", words)


@pytest.mark.parametrize("name", [*SOURCES, *HEADERS])
def test_a_file_compiles_without_a_warning(name: str) -> None:
    assert complaints()[name] == ""
