"""The measured figures, as tables and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import TypeAlias

from child import Setup
from plan import Plan
from table import label, markdown, percent, spread

Figures: TypeAlias = list[float]
Cell: TypeAlias = Callable[[str, str, str], str]  # of app, loop and variant


@dataclass
class Results:
    plan: Plan
    figures: dict[tuple[str, Setup], Figures] = field(default_factory=dict)
    reasons: dict[Setup, str] = field(default_factory=dict)
    failed: bool = False

    def get(self, measure: str, app: str, loop: str, variant: str) -> Figures | None:
        return self.figures.get((measure, Setup(app, loop, variant)))

    def ratio(self, app: str, loop: str, variant: str) -> float | None:
        """Instructions per request, relative to the bare app."""
        base = self.get("instructions", app, loop, "bare")
        mine = self.get("instructions", app, loop, variant)
        return median(mine) / median(base) if base and mine else None

    def tables(self) -> str:
        made = {
            "instructions": self._instructions,
            "step": self._step,
            "cpu": self._cpu,
            "idle": self._idle,
        }
        parts = [made[measure]() for measure in made if self._wanted(measure)]
        return "\n\n".join([*parts, *self._notes()])

    def _wanted(self, measure: str) -> bool:
        return measure in self.plan.measures and bool(self.plan.setups(measure))

    def json(self) -> str:
        rows = [
            {"measure": measure, **vars(setup), "figures": figures}
            for (measure, setup), figures in self.figures.items()
        ]
        missing = [{**vars(setup), "reason": why} for setup, why in self.reasons.items()]
        return json.dumps({"measured": rows, "not_measured": missing}, indent=1)

    def _table(self, measure: str, title: str, cell: Cell) -> str:
        columns = self.plan.columns(measure)
        head = [title, *(f"{app}, {loop}" for app, loop in columns)]
        rows = self.plan.rows(measure)
        return markdown(head, [[label(row), *(cell(*at, row) for at in columns)] for row in rows])

    def _instructions(self) -> str:
        def cell(app: str, loop: str, variant: str) -> str:
            ratio = self.ratio(app, loop, variant)
            if not ratio:
                return "n/a"
            return percent(ratio) if variant != "bare" else self._absolute(app, loop)

        return self._table("instructions", "instructions per request", cell)

    def _absolute(self, app: str, loop: str) -> str:
        return f"{median(self.get('instructions', app, loop, 'bare') or []):,.0f}"

    def _step(self) -> str:
        def cell(app: str, loop: str, variant: str) -> str:
            ratios = self.get("step", app, loop, variant)
            return percent(median(ratios)) if ratios else "n/a"

        return self._table("step", "instructions of a route with a step of 2 ms, over short", cell)

    def _cpu(self) -> str:
        def cell(app: str, loop: str, variant: str) -> str:
            ratios = self.get("cpu", app, loop, variant)
            return spread(ratios) if ratios else "n/a"

        return self._table(
            "cpu",
            "CPU time per request, over bare (bare over bare: noise): median (min to max)",
            cell,
        )

    def _idle(self) -> str:
        def cell(app: str, loop: str, variant: str) -> str:
            share = self.get("idle", app, loop, variant)
            return f"{share[0] * 100:.2f} %" if share else "n/a"

        return self._table("idle", "idle server, share of one core", cell)

    def _notes(self) -> list[str]:
        where: dict[tuple[str, str], list[str]] = {}
        for setup, why in self.reasons.items():
            where.setdefault((label(setup.variant), why), []).append(f"{setup.app}, {setup.loop}")
        notes = [f"- n/a: {who} ({'; '.join(at)}): {why}" for (who, why), at in where.items()]
        return ["\n".join(notes)] if notes else []
