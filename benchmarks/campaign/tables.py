"""What the tables of the summary share: names, the usual runs, Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

LABELS = {
    "levelled": "`levelled`, q = 1",
    "levelled-q4": "`levelled`, q = 4",
    "s2018": "`s2018`",
    "radial": "`radial` (authors' parallel mode)",
    "random-lanes": "random, 50 lanes",
    "anova-sync": "`anova`, batches of 50",
    "anova-lanes": "`anova`, 50 lanes",
    "anova-lanes-to-the-end": "`anova`, 50 lanes, no last call",
    "anova-lanes-finals": "`anova`, 50 lanes, finals",
}


def usual(runs: pd.DataFrame, grid: str, cv: float = 0.3) -> pd.DataFrame:
    """The campaigns on a grid with 3 % of failures and no overhead."""
    failures = 0.03 if cv else 0.0  # equal jobs: the reading of the documents
    chosen = (runs["grid"] == grid) & (runs["cv"] == cv) & (runs["per_proposal"] == 0)
    return runs[chosen & (runs["failures"] == failures)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def met(yes: bool) -> str:
    return "met" if yes else "MISSED"
