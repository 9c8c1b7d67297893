"""Draws busy slots over time, and regret over time, of four kinds of campaign."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from cluster import Cluster
from measures import parse, widths
from run import simulate
from tables import LABELS, usual

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DRAWN = ("levelled", "radial", "anova-sync", "anova-lanes-finals")


def draw(runs: pd.DataFrame, path: Path) -> None:
    """Busy slots over time of one campaign of each kind; regret over time of all."""
    figure = plt.figure(figsize=(11, 5))
    grid = figure.add_gridspec(len(DRAWN), 2, hspace=0.6, wspace=0.22)
    right = figure.add_subplot(grid[:, 1])
    colours = ("#1b4f72", "#b9770e", "#7d8a97", "#117a65")
    for row, (method, colour) in enumerate(zip(DRAWN, colours, strict=True)):
        label = LABELS[method].replace("`", "")
        left = figure.add_subplot(grid[row, 0])
        trace, _ = simulate(method, "jh220044", "valley", 0, Cluster())
        times, busy = zip(*widths(trace), strict=True)
        left.fill_between(times, busy, step="post", color=colour, lw=0)
        left.set(xlim=(0, 42), ylim=(0, 55), yticks=(0, 50))
        left.set_title(label, fontsize=9, loc="left", pad=2)
        left.tick_params(labelbottom=row == len(DRAWN) - 1)
        left.spines[["top", "right"]].set_visible(False)
        done = usual(runs, "jh220044")
        done = done[done["method"] == method]
        axis = np.linspace(0, 42, 169)
        courses = [course(parse(text), axis) for text in done["reached"]]
        if courses:
            shown = f"{label} (n = {len(courses)})"
            right.plot(
                axis, np.mean(courses, axis=0), color=colour, lw=1.8, label=shown
            )
    left.set(xlabel="time, mean job lengths")
    figure.text(0.075, 0.5, "busy slots of 50", rotation=90, va="center")
    right.set(xlabel="time, mean job lengths", ylabel="regret reached, mean of n runs")
    right.set_yscale("log")
    right.legend(frameon=False, fontsize=9)
    right.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130, bbox_inches="tight")
    plt.close(figure)


def course(steps: Sequence[tuple[float, float]], axis: np.ndarray) -> np.ndarray:
    """A course at given times; 1, the regret of a median setting, before its start."""
    values = np.ones(len(axis))
    for time, value in steps:
        values[axis >= time] = min(value, 1.0)
    return np.maximum(values, 1e-4)  # zero has no logarithm
