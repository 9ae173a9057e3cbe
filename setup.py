"""Only what pyproject.toml cannot say to every setuptools: the compiled twin, which may fail."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension("loopwatch._speedups", sources=["loopwatch/_speedups.c"], optional=True),
    ]
)
