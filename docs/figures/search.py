"""Draws the figures of docs/search.md.

    python docs/figures/search.py            writes docs/images/search_*.png

The data are made here from formulas and fixed seeds, so a run repeats byte for byte
under the same matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from collinear.campaign.figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    WIDTH,
    save,
    style,
)
from collinear.search import (
    Goal,
    History,
    Point,
    Result,
    SearchSpace,
    Status,
    Strategy,
    explored_lines,
    fit,
    make_strategy,
)
from collinear.search.ippe import LineSearch, advance, candidates
from collinear.search.smoothing import (
    LineData,
    choose_alpha,
    pooled_noise,
    smooth,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMAGES = Path(__file__).parents[1] / "images"
POINTS = 11  # of the line in the d-spline figure
SIDE = 16  # of the grid in the figure of two searches
NOISE = 0.12
HALO = "white"  # around marks on the map


def main() -> None:
    dspline_figure(IMAGES / "search_dspline.png")
    searches_figure(IMAGES / "search_grid.png")


def curve(place: Any) -> Any:
    """The true cost along the line; places 0 to 10."""
    return 1.0 + 0.045 * (place - 6.4) ** 2 + 0.22 * np.sin(1.1 * place)


def dspline_figure(path: Path) -> None:
    """A line between two measurements, and what noise does to it."""
    with style() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.0), sharey=True)
        _draw_ippe(left)
        _draw_band(right)
        left.set(title="IPPE on a line, no noise", ylabel="cost")
        right.set(title="the same line under noise")
        for axes in (left, right):
            axes.set(xlabel="index on the line", ylim=(0.55, 3.6), xlim=(-0.9, 10.9))
            axes.set_xticks(range(0, POINTS, 2))
            axes.legend(loc="upper right")
        figure.tight_layout()
        save(figure, path)


def _draw_ippe(axes: Axes) -> None:
    """The state of IPPE after the trisection and one more sample."""
    costs: dict[int, float] = {}
    state = advance(LineSearch(POINTS), costs, ())
    while len(costs) < 5:
        index = candidates(state, costs)[0].place
        costs[index] = float(curve(index))
        state = advance(state, costs, tuple(costs), (index,))
    spline = state.spline
    assert spline is not None
    markers = spline.markers
    places = (np.arange(len(markers)) - 2) / 3
    axes.plot(places, curve(places), color=GREY, lw=1, ls=":", label="true cost")
    axes.plot(places, markers, color=BLUE, lw=1)
    axes.scatter(places, markers, s=9, color=BLUE, label="d-spline at its markers")
    axes.scatter(
        list(costs), list(costs.values()), s=36, color=ORANGE, zorder=3, label="sample"
    )
    wanted = candidates(state, costs)[0].place
    axes.scatter(
        [wanted],
        [spline.estimates[wanted]],
        s=90,
        facecolors="none",
        edgecolors=RED,
        lw=1.5,
        zorder=4,
        label="measured next",
    )


def _draw_band(axes: Axes) -> None:
    """Interpolation by alpha = 0.1 against the weight that the lines share by REML."""
    chance = np.random.default_rng(7)
    indices = tuple(range(POINTS))
    true = [float(curve(i)) for i in indices]
    lines = [[v + NOISE * chance.standard_normal() for v in true] for _ in range(6)]
    data = [_on_markers(indices, values) for values in lines]
    alpha = choose_alpha(data)
    line = smooth(data[0], alpha, pooled_noise(data, alpha))
    places = (np.array(data[0].places) - 2) / 3
    markers = fit(POINTS, indices, lines[0]).markers
    axes.plot(places, curve(places), color=GREY, lw=1, ls=":")
    axes.plot(places, markers, color=BLUE, lw=1, label=r"$\alpha = 0.1$")
    low, high = line.mean - 2 * line.sd, line.mean + 2 * line.sd
    axes.fill_between(places, low, high, color=GREEN, alpha=0.2, lw=0)
    text = rf"$\alpha = {alpha:.1f}$ by REML, ± 2 sd"
    axes.plot(places, line.mean, color=GREEN, lw=1.6, label=text)
    axes.scatter(indices, lines[0], s=36, color=ORANGE, zorder=3)


def _on_markers(indices: Sequence[int], values: Sequence[float]) -> LineData:
    places = tuple(float(m) for m in range(3 * POINTS + 2))
    return LineData(places, tuple(2 + 3 * i for i in indices), tuple(values))


def cost(point: Sequence[float]) -> float:
    """A bent, tilted valley on the unit square."""
    x, y = (np.array(point) / (SIDE - 1)).tolist()
    across, along = y - 0.30 - 0.75 * (x - 0.15) ** 2 - 0.25 * x, x - 0.78
    return 1.0 + 6.0 * across**2 + 0.9 * along**2


def searches_figure(path: Path) -> None:
    """The same grid searched along lines and by draws from one model."""
    values = [float(i) for i in range(SIDE)]
    space = SearchSpace.from_values({"a": values, "b": values})
    goal = Goal("cost")
    lines = make_strategy("s2018", {"start": [3, 12]}, space=space, goal=goal)
    lined = run(lines, cost, batch=1, budget=SIDE * SIDE)
    shared = make_strategy("anova", space=space, goal=goal, seed=3)
    modelled = run(shared, cost, batch=10, budget=len(lined.results))
    with style() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.9), sharey=True)
        for axes in (left, right):
            _draw_map(axes)
        _draw_lines(left, lines, lined)
        _draw_reasons(right, modelled)
        for axes, history in ((left, lined), (right, modelled)):
            _finish(axes, history, goal)
        trials = len(lined.results)
        left.set(title=f"s2018, one at a time: {trials} trials", ylabel="index of b")
        right.set(title=f"anova, batches of 10: {trials} trials")
        figure.tight_layout()
        save(figure, path)


def run(
    strategy: Strategy, measure: Callable[[Point], float], *, batch: int, budget: int
) -> History:
    """A search without noise, until the budget is used or nothing is asked."""
    history = History()
    while proposals := strategy.ask(history, min(batch, budget - len(history.results))):
        history = history.ask(proposals).tell(
            [
                Result(p.point, p.seed, Status.DONE, {"cost": measure(p.point)})
                for p in proposals
            ]
        )
    return history


def _draw_map(axes: Axes) -> None:
    fine = np.linspace(0.0, SIDE - 1.0, 121)
    heights = [[cost((a, b)) for a in fine] for b in fine]
    levels = 1.0 + np.array([0.01, 0.03, 0.08, 0.2, 0.4, 0.8, 1.4, 2.2, 3.2])
    axes.contour(fine, fine, heights, levels=levels, colors="0.78", linewidths=0.7)
    axes.set(xlabel="index of a", aspect="equal")
    axes.set(xlim=(-0.7, SIDE - 0.3), ylim=(-0.7, SIDE - 0.3))
    axes.set_xticks(range(0, SIDE, 5))
    axes.set_yticks(range(0, SIDE, 5))


def _draw_lines(axes: Axes, strategy: Strategy, history: History) -> None:
    for number, line in enumerate(explored_lines(strategy, history)):
        ends = np.array([line.points[0], line.points[-1]]).T
        text = "line explored" if number == 0 else None
        axes.plot(ends[0], ends[1], color=BLUE, lw=1, alpha=0.7, label=text)
    kinds = {"direction": ("neighbour", GREEN, "s"), "line": ("on a line", BLUE, "o")}
    _draw_points(axes, history, kinds)


def _draw_reasons(axes: Axes, history: History) -> None:
    kinds = {
        "fill": ("fill", GREY, "o"),
        "global": ("global", GREEN, "s"),
        "line": ("line", BLUE, "o"),
        "near": ("near", ORANGE, "^"),
    }
    _draw_points(axes, history, kinds)


def _draw_points(
    axes: Axes, history: History, kinds: dict[str, tuple[str, str, str]]
) -> None:
    for word, (text, colour, marker) in kinds.items():
        points = [p.point for p in history.proposals if word in p.reason]
        axes.scatter(
            *np.array(points).T,
            s=18,
            color=colour,
            marker=marker,
            edgecolors=HALO,
            lw=0.5,
            zorder=3,
            label=text,
        )


def _finish(axes: Axes, history: History, goal: Goal) -> None:
    best = history.incumbent(goal)
    assert best is not None
    grid = [(a, b) for a in range(SIDE) for b in range(SIDE)]
    axes.scatter(
        *min(grid, key=cost), s=130, facecolors="none", edgecolors=RED, label="optimum"
    )
    axes.scatter(
        *best.point,
        s=90,
        marker="*",
        color=ORANGE,
        edgecolors=HALO,
        lw=0.5,
        zorder=4,
        label="incumbent",
    )
    start = history.proposals[0]
    if start.reason == "start":
        axes.scatter(*start.point, s=40, marker="D", color=RED, zorder=4, label="start")
    axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.16))


if __name__ == "__main__":
    main()
