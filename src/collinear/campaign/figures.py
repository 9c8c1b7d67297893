"""Figures of a campaign, at a size and with fonts that fit a paper column."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collinear.campaign.clocks import Job, assign_slots, parallel_width
from collinear.campaign.estimate import Setting
from collinear.search import Goal, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that stay apart for colour-blind readers (Okabe and Ito, 2008).
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8C8C8C"
ABOVE, BEYOND = " above the axis", " beyond the axes"  # drawn at the end of one
WIDTH = 6.8  # inches, the text width of a two-column paper

_STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "svg.hashsalt": "collinear",  # the same data give the same file
    "svg.fonttype": "none",
}


@contextmanager
def style() -> Iterator[Any]:
    """Matplotlib without a screen, in our style; yields ``pyplot``."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(_STYLE):
        yield plt
        plt.close("all")


def save(figure: Figure, path: Path) -> None:
    """Writes a figure by rename; the format follows from the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp{path.suffix}")
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(temporary, metadata=metadata, bbox_inches="tight")
    temporary.replace(path)


def draw_message(text: str, path: Path) -> None:
    """Writes a picture that says why there is no other."""
    with style() as plt:
        figure, axes = plt.subplots(figsize=(WIDTH, 1.0))
        axes.set_axis_off()
        lines = textwrap.fill(text, 90, break_on_hyphens=False)
        axes.text(0.0, 0.5, lines, va="center", color=RED)
        save(figure, path)


def history_figure(
    batches: Sequence[Sequence[Result]],
    goal: Goal,
    conventional: Setting | None,
    path: Path,
) -> None:
    """Objective of every trial in the order told, with incumbent and batches.

    Args:
        batches: Results by batch.
        goal: Objective and limits.
        conventional: The setting in use today, drawn as a line.
        path: Where the figure goes.
    """
    with style() as plt:
        figure, axes = plt.subplots(figsize=(WIDTH, 3.0))
        results = [result for batch in batches for result in batch]
        _shade_batches(axes, [len(batch) for batch in batches])
        value = conventional.values.get(goal.objective) if conventional else None
        height = value if value is None or goal.lower_is_better else -value
        top = axis_end([goal.cost(r) for r in results], [height])
        _draw_trials(axes, results, goal, top)
        _draw_incumbent(axes, results, goal, top)
        if height is not None:
            axes.axhline(height, color=RED, lw=1, ls="--", label="conventional setting")
        axes.set(xlabel="trial, in the order told", ylabel=label(goal.objective))
        show_values(axes, goal)
        axes.set_xlim(0.5, len(results) + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        save(figure, path)


def _shade_batches(axes: Axes, sizes: Sequence[int]) -> None:
    start = 0.5
    for index, size in enumerate(sizes):
        if index % 2 == 1:
            axes.axvspan(start, start + size, color="0.94", lw=0, zorder=0)
        start += size


def _draw_trials(axes: Axes, results: Sequence[Result], goal: Goal, top: float) -> None:
    kinds: dict[str, tuple[list[int], list[float]]] = {}
    for number, result in enumerate(results, start=1):
        cost = goal.cost(result)
        if cost is None:
            kind, height = f"{result.status.value} (no value)", top
        else:
            kind = "trial" if goal.feasible(result) else "over a limit"
            height = min(cost, top)
            if cost > top:
                kind += ABOVE
        xs, ys = kinds.setdefault(kind, ([], []))
        xs.append(number)
        ys.append(height)
    for kind, (xs, ys) in kinds.items():
        axes.scatter(xs, ys, s=16, label=kind, zorder=3, **marker_of(kind))


def marker_of(kind: str) -> dict[str, Any]:
    """How trials of a kind are drawn."""
    marker = {"marker": "^"} if kind.endswith((ABOVE, BEYOND)) else {}
    if kind.startswith("trial"):
        return {"color": BLUE, **marker}
    if kind.startswith("over a limit"):
        return {"facecolors": "none", "edgecolors": BLUE, **marker}
    return {"color": GREY, "marker": "x" if kind.startswith("diverged") else "+"}


def _draw_incumbent(
    axes: Axes, results: Sequence[Result], goal: Goal, top: float
) -> None:
    best: list[float] = []
    numbers: list[int] = []
    for number, result in enumerate(results, start=1):
        cost = goal.cost(result)
        if cost is not None and goal.feasible(result):
            best.append(min(cost, best[-1]) if best else cost)
            numbers.append(number)
        elif best:
            best.append(best[-1])
            numbers.append(number)
    if best:
        best = [min(cost, top) for cost in best]
        axes.step(numbers, best, where="post", color=ORANGE, lw=1.8, label="incumbent")


def show_values(axes: Axes, goal: Goal) -> None:
    """Labels costs with the objective's values, where a maximised one was turned."""
    if not goal.lower_is_better:
        axes.yaxis.set_major_formatter(lambda height, _: f"{0.0 - height:g}")
        axes.yaxis.set_inverted(True)


def upper_end(costs: Sequence[float | None]) -> float:
    """Where the axis ends: wrecked trainings beyond it would squeeze the rest."""
    known = sorted(cost for cost in costs if cost is not None)
    if not known:
        return 1.0
    middle = known[len(known) // 2]
    usual = known[0] + 4.0 * (middle - known[0])
    return min(known[-1], max(usual, middle)) + 0.05 * max(middle - known[0], 1e-9)


def axis_end(costs: Sequence[float | None], marked: Sequence[float | None]) -> float:
    """`upper_end`, or further where something that is pointed out lies beyond it."""
    return max([upper_end(costs), *(cost for cost in marked if cost is not None)])


def label(name: str) -> str:
    return {
        "niqe": "NIQE",
        "rmse": "RMSE",
        "perceptual_index": "perceptual index",
    }.get(name, name)


def jobs_figure(jobs: Sequence[Job], path: Path) -> None:
    """Execution chart: which slot ran when, and how many trials ran at once.

    Args:
        jobs: Runs of the training program by start time.
        path: Where the figure goes.
    """
    with style() as plt:
        slots = assign_slots(list(jobs))
        n_slots = max(slots, default=0) + 1
        height = 1.6 + min(4.0, 0.12 * n_slots + 0.4)
        figure, (upper, lower) = plt.subplots(
            2,
            1,
            figsize=(WIDTH, height),
            sharex=True,
            height_ratios=[1.0, max(0.8, height - 2.2)],
        )
        origin = min((job.started for job in jobs), default=0.0)
        unit, name = _time_unit(max((j.ended for j in jobs), default=1.0) - origin)
        _draw_slots(lower, list(zip(jobs, slots, strict=True)), origin, unit)
        times, widths = parallel_width(list(jobs))
        upper.step(
            [(t - origin) / unit for t in times], widths, where="post", color=BLUE, lw=1
        )
        upper.fill_between(
            [(t - origin) / unit for t in times],
            widths,
            step="post",
            color=BLUE,
            alpha=0.2,
        )
        upper.set(ylabel="trials at once", ylim=(0, None))
        upper.yaxis.get_major_locator().set_params(integer=True)
        lower.set(xlabel=f"time, {name}", ylabel="slot", ylim=(-0.6, n_slots - 0.4))
        lower.set_yticks(range(n_slots) if n_slots <= 10 else range(0, n_slots, 10))
        save(figure, path)


def _draw_slots(
    axes: Axes, jobs: Sequence[tuple[Job, int]], origin: float, unit: float
) -> None:
    for job, slot in jobs:
        axes.barh(
            slot,
            job.seconds / unit,
            left=(job.started - origin) / unit,
            height=0.8,
            color=BLUE if job.finished else RED,
            edgecolor="white",
            lw=0.4,
        )


def _time_unit(seconds: float) -> tuple[float, str]:
    if seconds > 2 * 3600:
        return 3600.0, "hours"
    return (60.0, "minutes") if seconds > 120 else (1.0, "seconds")
