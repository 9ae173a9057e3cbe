"""Only what pyproject.toml cannot say to every setuptools: the compiled twin, which may fail.

Where it cannot be compiled, Python code does the same. `REQUIRE_C=1` in the environment makes that
an error: a wheel for the index must have it.

`CFLAGS` in the environment stands in place of Python's own flags, so we say ourselves that the twin
is optimised. (MSVC optimises by itself.)
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("loopwatch", "native")
# A request passes over this code once and cold, so it must be short: -O3, which copies code into
# its callers, takes 9 % more instructions a request, and 10 % more lines of the cache.
FLAGS = ["-O2", "-DNDEBUG", "-fvisibility=hidden"]
if sys.platform == "linux":
    FLAGS += ["-fno-plt"]  # one jump less for each call of the interpreter's

setup(
    ext_modules=[
        Extension(
            "loopwatch._speedups",
            sources=sorted(path.as_posix() for path in NATIVE.glob("*.c")),
            depends=sorted(path.as_posix() for path in NATIVE.glob("*.h")),
            extra_compile_args=[] if sys.platform == "win32" else FLAGS,
            optional=os.environ.get("REQUIRE_C") != "1",
        ),
    ]
)
