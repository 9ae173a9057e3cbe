"""The folder that `loopwatch run` puts on PYTHONPATH: Python loads `sitecustomize` from it."""
