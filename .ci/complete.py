"""Checks that a folder has the sdist and every wheel of a release: complete.py FOLDER [TAG].

The versions of CPython are those of `tool.cibuildwheel` in pyproject.toml, which are those of its
classifiers.
"""

import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[1]
MACHINES = (
    r"manylinux\w*_x86_64",
    r"manylinux\w*_aarch64",
    r"musllinux\w*_x86_64",
    r"musllinux\w*_aarch64",
    r"macosx\w*_x86_64",
    r"macosx\w*_arm64",
    r"win_amd64",
)


def pythons() -> list[str]:
    """Return the tags of the versions that wheels are built for, such as cp311."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return re.findall(r"cp\d+", told["tool"]["cibuildwheel"]["build"])


def version() -> str:
    """Return the version, from the one place that has it."""
    text = (ROOT / "loopwatch" / "core" / "version.py").read_text(encoding="utf-8")
    [found] = re.findall(r'^__version__ = "([^"]+)"', text, re.M)
    return str(found)


def missing(names: set[str], release: str) -> list[str]:
    """Return what a release must have and has not; raises ValueError for what is none of it."""
    left, lacks = {*names}, []
    patterns = [
        rf"loopwatch-{re.escape(release)}-{python}-{python}-\S*{machine}\.whl"
        for python in pythons()
        for machine in MACHINES
    ]
    for pattern in (rf"loopwatch-{re.escape(release)}\.tar\.gz", *patterns):
        found = {name for name in left if re.fullmatch(pattern, name)}
        left -= found
        if not found:
            lacks.append(pattern)
    if left:
        raise ValueError(f"the folder must have nothing but a release, got {sorted(left)}")
    return lacks


def main(folder: str, tag: str = "") -> None:
    release = version()
    if tag and tag != f"v{release}":
        sys.exit(f"the tag must be v{release}, the version of the package, got {tag}")
    try:
        lacks = missing({path.name for path in pathlib.Path(folder).iterdir()}, release)
    except ValueError as error:
        sys.exit(str(error))
    if lacks:
        sys.exit("a release must have every file, and these are missing:\n" + "\n".join(lacks))
    print(f"loopwatch {release}: the sdist and {len(pythons()) * len(MACHINES)} wheels")


if __name__ == "__main__":
    main(*sys.argv[1:])
