"""The style of plots: colours by the page's names, and matplotlib's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loopwatch.tools.diagnose.svg import color

RANKS = ("held", "queued", "running")  # colours of the first culprits; the rest share one
REST = "waiting"


@dataclass(frozen=True, slots=True)
class Line:
    """One line in the plot of a distribution."""

    field: str  # of Distribution
    name: str
    color: str
    dashes: Any = "-"


LINES = (
    Line("now", "now", "held"),
    Line("without_top", "without the top site", "calm"),
    Line("without_all", "without any stall", "running", (0, (4, 2))),
    Line("client", "client, now", "waiting", (0, (1, 1.5))),
)
STYLE = {
    "svg.fonttype": "none",
    "font.size": 12,
    "axes.edgecolor": color("line"),
    "axes.facecolor": "none",
    "axes.labelcolor": color("soft"),
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": color("ink"),
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titlepad": 12,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.xmargin": 0,
    "figure.facecolor": "none",
    "grid.color": color("line"),
    "grid.linewidth": 0.8,
    "legend.borderaxespad": 0.2,
    "legend.columnspacing": 1.2,
    "legend.fontsize": 12,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "legend.handletextpad": 0.5,
    "legend.labelcolor": color("soft"),
    "lines.linewidth": 1.8,
    "lines.markersize": 3.5,
    "lines.solid_capstyle": "round",
    "text.parse_math": False,
    "xtick.color": color("line"),
    "xtick.labelcolor": color("soft"),
    "xtick.labelsize": 11.5,
    "ytick.color": color("line"),
    "ytick.labelcolor": color("soft"),
    "ytick.labelsize": 11.5,
    "ytick.left": False,
}
