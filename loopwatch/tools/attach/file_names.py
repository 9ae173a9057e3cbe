"""What a path of a frame tells, where the process itself cannot be asked: its module, its source.

A module is named as it is imported: by its path in site-packages or in the standard library, else
by the packages (folders with an `__init__.py`) that the file lies in.
"""

from __future__ import annotations

import ast
import inspect
import re
from functools import lru_cache
from pathlib import Path, PurePosixPath

from loopwatch.core.evidence import OutsideFrame, Spot
from loopwatch.core.source_statement import statement
from loopwatch.explain.outside_stack import NO_INSTRUCTION, stand_in
from loopwatch.explain.site import ROUTERS
from loopwatch.tools.attach.process_tree import ProcessTree

INSTALLED = re.compile(r".*/(?:site|dist)-packages/")
LIBRARY = re.compile(r".*/lib(?:64)?/(?:python|pypy)3(?:\.\d+)?t?(?:\.zip)?/")
FROZEN = re.compile(r"<frozen ([\w.]+)>")
LONGEST = 1 << 22  # bytes of a source file that is read
LENGTH = 200  # characters of a line


class Files:
    """The source files of one process. Paths may be those of a container."""

    def __init__(self, tree: ProcessTree, pid: int) -> None:
        self._tree, self._pid = tree, pid
        self._lines = lru_cache(64)(self._read_lines)
        self._async = lru_cache(64)(self._read_async)
        self.module = lru_cache(1024)(self._module)

    def spot(self, frame: OutsideFrame) -> Spot:
        """Return a frame as the rules of sites want it: with a module, and as the library's own
        where the process has another Python than we."""
        module = self.module(frame.file)
        code = stand_in(frame)
        if LIBRARY.match(frame.file) and not INSTALLED.match(frame.file):
            code = code.replace(co_filename=f"<frozen {module}>")  # of the standard library
        if module in ROUTERS and self.is_async(frame.file, frame.line):
            code = code.replace(co_flags=code.co_flags | inspect.CO_COROUTINE)
        return Spot(code, NO_INSTRUCTION, frame.line, module)

    def text(self, file: str, line: int) -> str:
        """Return the code of a line; an empty text where there is none."""
        lines = self._lines(file)
        return statement(lines[line - 1])[:LENGTH] if 0 < line <= len(lines) else ""

    def is_async(self, file: str, line: int) -> bool:
        """Return whether a line is in the body of an `async def`."""
        inner = [span for span in self._async(file) if span[0] <= line <= span[1]]
        return max(inner, key=lambda span: span[0])[2] if inner else False

    def _module(self, file: str) -> str:
        if frozen := FROZEN.fullmatch(file):
            return frozen[1]
        found = INSTALLED.match(file) or LIBRARY.match(file)
        path = PurePosixPath(file.replace("\\", "/"))
        parts = PurePosixPath(file[found.end() :]).parts if found else (path.name,)
        folder = path.parent
        while not found and len(parts) < 16 and self._is_package(folder):
            parts = (folder.name, *parts)
            folder = folder.parent
        names = [*parts[:-1], parts[-1].partition(".")[0]] if parts else ["?"]
        return ".".join(names[:-1] if names[-1] == "__init__" and names[1:] else names)

    def _is_package(self, folder: PurePosixPath) -> bool:
        return bool(folder.name) and self._path(str(folder / "__init__.py")).is_file()

    def _path(self, file: str) -> Path:
        return self._tree.file(self._pid, file)

    def _read_lines(self, file: str) -> tuple[str, ...]:
        if not file.startswith("/"):
            return ()
        try:
            with self._path(file).open("rb") as source:
                return tuple(source.read(LONGEST).decode("utf-8", "replace").splitlines())
        except OSError:
            return ()

    def _read_async(self, file: str) -> tuple[tuple[int, int, bool], ...]:
        """Return first line, last line, and whether it is asynchronous, of each function."""
        try:
            tree = ast.parse("\n".join(self._lines(file)))
        except (SyntaxError, ValueError, RecursionError):
            return ()
        return tuple(
            (node.lineno, node.end_lineno or node.lineno, isinstance(node, ast.AsyncFunctionDef))
            for node in ast.walk(tree)
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
        )
