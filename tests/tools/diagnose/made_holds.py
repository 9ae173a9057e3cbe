"""Findings made by hand of a loop that was held: a route that felt it, and who did it."""

from tests.tools.diagnose.made import culprit, prediction, route, tail

HELD = route(slowest=tail(0.5, 0.45), lost=20.0)
FORESEEN = culprit(predictions=(prediction(0.512, 0.009),))
