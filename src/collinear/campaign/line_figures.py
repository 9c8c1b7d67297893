"""Each explored line of a campaign with its samples, its d-spline and its band."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from collinear.campaign.figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    WIDTH,
    label,
    save,
    show_values,
    style,
    upper_end,
)
from collinear.campaign.trials import describe_number
from collinear.search import (
    Band,
    ExploredLine,
    Goal,
    Point,
    SearchSpace,
    line_bands,
    smooth_stretch,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4
ROW_HEIGHT = 1.55  # inches


def lines_figure(
    lines: Sequence[ExploredLine],
    space: SearchSpace,
    goal: Goal,
    incumbent: Point | None,
    path: Path,
    *,
    categorical: Sequence[str] = (),
    searched: bool = True,
) -> None:
    """Small multiples, one a line, in the order of exploration.

    Args:
        lines: The explored lines.
        space: The grid, for names and values.
        goal: Objective, for the label.
        incumbent: Marked on the lines that hold it.
        path: Where the figure goes.
        categorical: Names of the axes whose values have no order.
        searched: Whether the search followed the d-splines of these lines; only then
            they are drawn beside the bands.
    """
    bands = line_bands(lines, space, categorical)
    with style() as plt:
        rows = max(1, -(-len(lines) // COLUMNS))
        figure, grid = plt.subplots(
            rows,
            COLUMNS,
            figsize=(WIDTH, 0.5 + ROW_HEIGHT * rows),
            squeeze=False,
            sharey=True,
            layout="constrained",
        )
        costs = [s.cost for line in lines for s in line.samples]
        top = upper_end(costs)
        known = [cost for cost in costs if cost is not None]
        bottom = min(known, default=0.0)
        spread = top - bottom
        if spread < 1e-6 * max(abs(top), abs(bottom)):  # one value: all digits alike
            spread = 0.1 * abs(top)
        margin = 0.08 * (spread or 1.0)
        for axes, line, believed in zip(grid.flat, lines, bands, strict=False):
            if searched:
                _draw_spline(axes, line, smooth_stretch(line, space, categorical))
            for band in believed:
                _draw_band(axes, band)
            _draw_line(axes, line, space, top)
            _mark_incumbent(axes, line, incumbent)
            axes.set_ylim(bottom - margin, top + margin)
            show_values(axes, goal)
        for axes in list(grid.flat)[len(lines) :]:
            axes.set_visible(False)
        figure.supylabel(label(goal.objective), fontsize=9)
        save(figure, path)


def _draw_spline(axes: Axes, line: ExploredLine, stretch: range) -> None:
    """The d-spline that the search followed, where a curve means something."""
    last = len(line.points) - 1
    shown = [
        (position, height)
        for position, height in zip(line.positions, line.markers, strict=True)
        if len(stretch)
        and (position >= stretch[0] or stretch[0] == 0)
        and (position <= stretch[-1] or stretch[-1] == last)
    ]
    if shown:
        axes.plot(*zip(*shown, strict=True), color=GREY, lw=0.8, ls=":", zorder=1)


def _draw_band(axes: Axes, band: Band) -> None:
    """Posterior mean and two standard deviations; an error bar for a single level."""
    mean, twice = np.array(band.mean), 2.0 * np.array(band.sd)
    if len(mean) == 1:
        axes.errorbar(band.positions, mean, yerr=twice, color=GREEN, lw=1, zorder=1)
        return
    axes.fill_between(
        band.positions, mean - twice, mean + twice, color=GREEN, alpha=0.2, lw=0
    )
    axes.plot(band.positions, mean, color=GREEN, lw=1, zorder=2)


def _draw_line(axes: Axes, line: ExploredLine, space: SearchSpace, top: float) -> None:
    for sample in line.samples:
        height = min(sample.fitted, top)
        if sample.cost is None:
            axes.scatter([sample.index], [height], s=16, marker="x", color=GREY)
        elif sample.feasible:
            marker = "o" if sample.fitted <= top else "^"
            axes.scatter([sample.index], [height], s=14, marker=marker, color=BLUE)
        else:
            axes.scatter(
                [sample.index], [height], s=14, facecolors="none", edgecolors=BLUE
            )
    axes.set_title(line_name(line, space), fontsize=8)
    ticks = sorted({0, len(line.points) // 2, len(line.points) - 1})
    axes.set_xticks(ticks, [_tick(line, space, i) for i in ticks], fontsize=7)
    axes.set_xlim(-0.9, len(line.points) - 0.1)


def _mark_incumbent(axes: Axes, line: ExploredLine, incumbent: Point | None) -> None:
    for sample in line.samples:
        if line.points[sample.index] == incumbent:
            axes.scatter(
                [sample.index],
                [sample.fitted],
                s=60,
                facecolors="none",
                edgecolors=ORANGE,
                linewidths=1.5,
                zorder=4,
            )


def line_name(line: ExploredLine, space: SearchSpace) -> str:
    """The axes that change along a line, with a minus where they fall."""
    words = [
        f"{'−' if step < 0 else ''}{name}"
        for name, step in zip(space.names, line.direction, strict=True)
        if step
    ]
    return ", ".join(words)


def _tick(line: ExploredLine, space: SearchSpace, index: int) -> str:
    """The value at an index of an axis line; the index itself on a diagonal."""
    changed = [axis for axis, step in enumerate(line.direction) if step]
    if len(changed) > 1:
        return str(index)
    axis = changed[0]
    return describe_number(space.axes[axis].values[line.points[index][axis]])
