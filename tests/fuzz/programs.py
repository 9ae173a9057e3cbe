"""Async apps thrown by dice: a few acts in a row, some of which are apps again."""

from __future__ import annotations

import functools
import random
from typing import Any

from .acts import ACTS, Scene
from .awaited import Plain
from .journal import Journal

DEEP = 3  # programs within programs
LONG = 9  # acts of a program


class Program:
    """An app: a few acts in a row."""

    def __init__(self, dice: random.Random, journal: Journal, where: str, depth: int = DEEP):
        kinds = {name: kind for name, kind in ACTS.items() if kind.where in (where, "both")}
        weights = [kind.weight for kind in kinds.values()]
        self.journal = journal
        self.parts: list[tuple[str, int, Program | None]] = []
        for name in dice.choices(list(kinds), weights, k=dice.randint(1, LONG)):
            nests = depth > 0 and kinds[name].nests
            inner = Program(dice, journal, where, depth - 1) if nests else None
            if nests or not kinds[name].nests:
                self.parts.append((name, dice.randrange(1 << 30), inner))

    async def run(self, scope: Any, receive: Any, send: Any) -> Any:
        for name, seed, inner in self.parts:
            self.journal.add(name)
            scene = Scene(self.journal, random.Random(seed), scope, receive, send, inner)
            await ACTS[name].play(scene)
        return "what nobody asks for"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        return await self.run(scope, receive, send)

    def shaped(self, dice: random.Random) -> Any:
        """Return the app as one of the things that an app can be."""

        async def function(scope: Any, receive: Any, send: Any) -> Any:
            return await self.run(scope, receive, send)

        def returning(scope: Any, receive: Any, send: Any) -> Any:
            return Plain(self.run(scope, receive, send))

        return dice.choice([self, self.run, function, functools.partial(function), returning])
