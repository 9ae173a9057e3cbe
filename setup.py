"""Only what pyproject.toml cannot say to every setuptools: the compiled twin, which may fail.

`CFLAGS` in the environment stands in place of Python's own flags, so we say ourselves that the twin
is optimised. (MSVC optimises by itself.)
"""

import sys
from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("loopwatch", "native")
FLAGS = ["-O3", "-DNDEBUG", "-fvisibility=hidden"]
if sys.platform == "linux":
    FLAGS += ["-fno-plt"]  # one jump less for each call of the interpreter's

setup(
    ext_modules=[
        Extension(
            "loopwatch._speedups",
            sources=sorted(path.as_posix() for path in NATIVE.glob("*.c")),
            depends=sorted(path.as_posix() for path in NATIVE.glob("*.h")),
            extra_compile_args=[] if sys.platform == "win32" else FLAGS,
            optional=True,
        ),
    ]
)
