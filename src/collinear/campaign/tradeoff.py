"""The objective against another recorded value: what a limit costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from collinear.campaign.estimate import Setting
from collinear.campaign.figures import (
    BEYOND,
    GREEN,
    ORANGE,
    RED,
    WIDTH,
    axis_end,
    label,
    marker_of,
    save,
    show_values,
    style,
)
from collinear.search import Goal, Result, pareto_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def tradeoff_figure(
    results: Sequence[Result],
    goal: Goal,
    settings: dict[str, Setting],
    path: Path,
    abscissa: str,
) -> None:
    """Objective against another recorded value, with its limit.

    Args:
        results: All results.
        goal: Objective and limits.
        settings: Settings to point out, by label.
        path: Where the figure goes.
        abscissa: Name of the value on the horizontal axis, such as ``rmse``.
    """
    with style() as plt:
        figure, axes = plt.subplots(figsize=(WIDTH * 0.62, 3.2))
        shown = [r for r in results if _both(r, goal, abscissa)]
        front = pareto_front(results, goal, abscissa) if goal.swept else ()
        marked = [_place(s.values, goal, abscissa) for s in settings.values()]
        marked += [_place(r.values, goal, abscissa) for r in front]
        places = [_place(r.values, goal, abscissa) for r in shown]
        right, top = (
            axis_end([p[k] for p in places], [p[k] for p in marked]) for k in (0, 1)
        )
        kinds: dict[str, list[tuple[float, float]]] = {}
        for result, (x, y) in zip(shown, places, strict=True):
            kind = "trial" if goal.feasible(result) else "over a limit"
            if x is not None and y is not None:
                kind += BEYOND if x > right or y > top else ""
                kinds.setdefault(kind, []).append((min(x, right), min(y, top)))
        for kind in sorted(kinds, reverse=True):
            xs, ys = zip(*kinds[kind], strict=True)
            axes.scatter(xs, ys, s=18, label=kind, **marker_of(kind))
        for limit in goal.limits:
            if limit.name == abscissa:
                several = ", ".join(f"{maximum:g}" for maximum in limit.maxima)
                text = f"limits {several}" if limit.tighter else f"limit {several}"
                for maximum in limit.maxima:
                    axes.axvline(maximum, color=RED, lw=1, ls="--", label=text)
                    text = "_"  # one entry in the legend
        _draw_front(axes, front, goal, abscissa, right)
        _point_out(axes, settings, goal, abscissa)
        show_values(axes, goal)
        lost = len(results) - len(shown)
        if lost:
            axes.plot([], [], " ", label=f"{lost} without a value")
        axes.set(xlabel=label(abscissa), ylabel=label(goal.objective))
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        save(figure, path)


def _both(result: Result, goal: Goal, abscissa: str) -> bool:
    return goal.cost(result) is not None and result.values.get(abscissa) is not None


def _place(
    values: Mapping[str, float | None], goal: Goal, abscissa: str
) -> tuple[float | None, float | None]:
    """Where a setting lies in the figure of two values; the objective as a cost."""
    y = values.get(goal.objective)
    return values.get(abscissa), y if y is None or goal.lower_is_better else -y


def _draw_front(
    axes: Axes, front: Sequence[Result], goal: Goal, abscissa: str, right: float
) -> None:
    """The best objective that each limit allows: a step down at each trial of it."""
    if front:
        xs = [r.values[abscissa] or 0.0 for r in front]
        ys = [goal.cost(r) or 0.0 for r in front]
        axes.step(
            [*xs, max(right, xs[-1])],
            [*ys, ys[-1]],
            where="post",
            color=ORANGE,
            lw=1.5,
            label="Pareto front",
            zorder=2,
        )


def _point_out(
    axes: Axes, settings: dict[str, Setting], goal: Goal, abscissa: str
) -> None:
    marks = [("*", ORANGE), ("D", RED), ("s", GREEN)]
    for (name, setting), (marker, colour) in zip(settings.items(), marks, strict=False):
        x, y = _place(setting.values, goal, abscissa)
        if x is not None and y is not None:
            axes.scatter(
                [x], [y], s=70, marker=marker, color=colour, label=name, zorder=4
            )
