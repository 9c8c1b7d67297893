"""Speed against quality: settings that no other beats in step time and objective.

It is the trade-off that the plan of Y. Oyama asks for (docs/racing.md).

For campaigns with `pretrain_axes`, whose networks differ in speed. Times are observed,
so they have noise; two that agree in two significant digits count as equal.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from collinear.campaign.config import Campaign
from collinear.campaign.designs import design_of, design_params
from collinear.campaign.figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    WIDTH,
    axis_end,
    label,
    save,
    show_values,
    style,
)
from collinear.campaign.files import read_json
from collinear.campaign.journal import results_of
from collinear.campaign.outcome import METRICS
from collinear.campaign.steps import journal_of, read_named_result
from collinear.campaign.trials import (
    CONVENTIONAL,
    TrialName,
    conventional_trial,
    describe_number,
    point_name,
    trial_files,
    trial_params,
)
from collinear.search import Goal, Result, Status, pareto_front

SECONDS = "step_seconds"
_UNITS = {"iterations": "step", "epochs": "epoch"}
_COLOURS = (BLUE, ORANGE, GREEN, RED, "#CC79A7", "#56B4E9")


@dataclass(frozen=True)
class Speed:
    """A setting with what it reached and how fast it is.

    Attributes:
        point: Folder name of its trials.
        design: See `designs.design_of`.
        runs: Done trainings behind the numbers.
        values: Means of the scored values.
        seconds: Median time of a step (or an epoch, or a whole training).
        feasible: Whether the means keep every limit.
        on_front: Whether no other feasible setting is better in both.
    """

    point: str
    design: str | None
    runs: int
    values: Mapping[str, float]
    seconds: float
    feasible: bool
    on_front: bool


def read_speeds(campaign: Campaign, root: Path) -> tuple[list[Speed], str]:
    """Read every done setting, by rising time.

    Returns:
        The settings, and what the time is that of: "step" where each program recorded
        `iterations`, else "epoch" or "training".
    """
    runs: dict[str, list[tuple[Result, Mapping[str, Any]]]] = {}
    for name, result in _done(campaign, root):
        metrics = read_json(trial_files(root, name).folder / METRICS)
        if _positive(metrics.get("seconds")):
            runs.setdefault(name.point, []).append((result, metrics))
    every = [metrics for found in runs.values() for _, metrics in found]
    per = next(
        (key for key in _UNITS if all(_positive(m.get(key)) for m in every)), None
    )
    means = {point: _mean(found, per) for point, found in runs.items()}
    rounded = [_rounded(result) for result in means.values()]
    order = list(means)
    front = pareto_front(rounded, campaign.goal, SECONDS)
    ahead = {order[next(i for i, r in enumerate(rounded) if r is f)] for f in front}
    speeds = [
        Speed(
            point,
            design_of(campaign, TrialName(point, 1)),
            len(runs[point]),
            {n: v for n, v in result.values.items() if n != SECONDS and v is not None},
            float(result.values[SECONDS] or 0.0),
            campaign.goal.feasible(result),
            point in ahead,
        )
        for point, result in means.items()
    ]
    unit = _UNITS.get(per or "", "training")
    return sorted(speeds, key=lambda s: (s.seconds, s.point)), unit


def _done(campaign: Campaign, root: Path) -> list[tuple[TrialName, Result]]:
    """Every done trial with its result, the conventional one's too."""
    found = {}
    for entry in journal_of(root).entries():
        for result in results_of(entry) if "results" in entry else ():
            found[TrialName(point_name(result.point), result.seed)] = result
    conventional = conventional_trial(campaign)
    if conventional is not None and conventional.point == CONVENTIONAL:
        for path in sorted((root / "trials" / CONVENTIONAL).glob("seed*/score.json")):
            name = TrialName(CONVENTIONAL, int(path.parent.name.removeprefix("seed")))
            found[name] = read_named_result(root, name)
    return [(n, r) for n, r in found.items() if r.status is Status.DONE]


def _mean(runs: Sequence[tuple[Result, Mapping[str, Any]]], per: str | None) -> Result:
    """One result of all runs of a setting: mean values, median time."""
    values: dict[str, float | None] = {}
    for name in runs[0][0].values:
        known = [v for r, _ in runs if (v := r.values.get(name)) is not None]
        values[name] = statistics.fmean(known) if len(known) == len(runs) else None
    times = [m["seconds"] / (m[per] if per else 1) for _, m in runs]
    values[SECONDS] = statistics.median(times)
    return Result((), len(runs), Status.DONE, values)


def _rounded(result: Result) -> Result:
    seconds = float(f"{result.values[SECONDS]:.1e}")
    return Result((), result.seed, Status.DONE, {**result.values, SECONDS: seconds})


def _positive(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and value > 0


def speed_table(campaign: Campaign, speeds: Sequence[Speed], unit: str) -> str:
    """Return the settings as tab-separated text."""
    scored = campaign.application.values
    head = ["trial", *campaign.space.names, "runs", *scored, f"seconds_per_{unit}"]
    lines = ["\t".join([*head, "feasible", "on_front"])]
    for speed in speeds:
        params = trial_params(campaign, TrialName(speed.point, 1))
        values = [f"{speed.values[n]:.6g}" if n in speed.values else "" for n in scored]
        flags = ["yes" if flag else "no" for flag in (speed.feasible, speed.on_front)]
        cells = [
            speed.point,
            *(describe_number(v) for v in params.values()),
            str(speed.runs),
        ]
        lines.append("\t".join([*cells, *values, f"{speed.seconds:.4g}", *flags]))
    return "\n".join(lines) + "\n"


def speed_note(campaign: Campaign, speeds: Sequence[Speed], unit: str) -> str:
    """Return a sentence on the two ends of the front; empty without one."""
    front = [speed for speed in speeds if speed.on_front]
    if not front:
        return ""
    objective = campaign.goal.objective

    def words(speed: Speed) -> str:
        return (
            f"{_design_words(campaign, speed.design)} with {objective} "
            f"{speed.values[objective]:.4g} at {speed.seconds:.3g} s per {unit}"
        )

    if len(front) == 1:
        none = "Within the limits no" if campaign.goal.limits else "No"
        return f"{none} setting is faster or better than {words(front[0])}."
    within = "Within the limits, " if campaign.goal.limits else ""
    return (
        f"{within}{len(front)} settings are on the front of speed and {objective}, "
        f"from {words(front[0])} to {words(front[-1])}."
    )


def _design_words(campaign: Campaign, design: str | None) -> str:
    params = design_params(campaign, design)
    return ", ".join(f"{name} {describe_number(v)}" for name, v in params.items())


def draw_speeds(
    campaign: Campaign, speeds: Sequence[Speed], unit: str, path: Path
) -> None:
    """Draw objective against time, a colour for each design, and the front.

    Args:
        campaign: The campaign.
        speeds: See `read_speeds`; may be empty.
        unit: What the time is that of.
        path: The picture.
    """
    goal = campaign.goal
    with style() as plt:
        figure, axes = plt.subplots(figsize=(WIDTH, 3.2))
        front = [s for s in speeds if s.on_front]
        costs = [_cost(goal, s) for s in speeds]
        top = axis_end(costs, [_cost(goal, s) for s in front])
        designs = sorted({s.design or "" for s in speeds}, key=_in_order)
        for number, design in enumerate(designs):
            colour = _COLOURS[number % len(_COLOURS)]
            own = [s for s in speeds if (s.design or "") == design]
            for feasible in (True, False):
                part = [s for s in own if s.feasible is feasible]
                words = _design_words(campaign, design or None) if feasible else "_"
                for above, text in ((False, words), (True, "_")):
                    drawn = [s for s in part if (_cost(goal, s) > top) is above]
                    axes.plot(
                        [s.seconds for s in drawn],
                        [min(_cost(goal, s), top) for s in drawn],
                        "^" if above else "o",
                        ms=4,
                        color=colour,
                        mfc=colour if feasible else "none",
                        label=text,
                    )
        axes.step(
            [s.seconds for s in front],
            [_cost(goal, s) for s in front],
            where="post",
            color=GREY,
            lw=1,
            label="front",
        )
        axes.set(xlabel=f"seconds per {unit}", ylabel=label(goal.objective))
        axes.set_xlim(0, None)
        show_values(axes, goal)
        if speeds:
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        save(figure, path)


def _cost(goal: Goal, speed: Speed) -> float:
    value = speed.values.get(goal.objective, np.nan)
    return float(value if goal.lower_is_better else -value)


def _in_order(design: str) -> tuple[bool, list[int]]:
    """Designs in the order of their values, the conventional one last."""
    if design == CONVENTIONAL:
        return True, []
    return False, [int(part) for part in design.split("-") if part]
