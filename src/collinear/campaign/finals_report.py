"""The finals in the report: a table, a figure, a part of the page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from scipy.special import stdtrit

from collinear.campaign.config import Campaign
from collinear.campaign.figures import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    WIDTH,
    label,
    save,
    style,
)
from collinear.campaign.trials import describe_number
from collinear.search import Goal, Result, Status
from collinear.search.fresh_runs import CONFIDENCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CONTROL, _LOST = "conventional", "without a value"
_TALLEST = 5.0  # inches


def half_width(sd: float | None, n: int) -> float | None:
    """Half of the 95 % interval of a mean of n runs (Student t); None below two."""
    if sd is None or n < 2:
        return None
    return float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2) * sd / n**0.5)


def finals_table(campaign: Campaign, finals: Mapping[str, Any]) -> pd.DataFrame:
    """One row a finalist, best first, and the conventional setting at the end."""
    rows = [_row(campaign, f) for f in in_order(finals, campaign.goal)]
    if finals["conventional"]:
        rows.append(_row(campaign, finals["conventional"]) | {"setting": _CONTROL})
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if rows and not any(row[_LOST] for row in rows):
        columns.remove(_LOST)
    shown = [[_text(row.get(name)) for name in columns] for row in rows]
    return pd.DataFrame(shown, columns=columns)


def in_order(finals: Mapping[str, Any], goal: Goal) -> list[Mapping[str, Any]]:
    """The finalists: those that may be chosen by their mean, then the others."""
    sign = 1.0 if goal.lower_is_better else -1.0

    def key(finalist: Mapping[str, Any]) -> tuple[bool, bool, float]:
        mean = finalist["mean"]
        able = finalist["sound"] and finalist["feasible"]
        return not able, mean is None, sign * (mean or 0.0)

    return sorted(finals["finalists"], key=key)


def _row(campaign: Campaign, finalist: Mapping[str, Any]) -> dict[str, Any]:
    goal = campaign.goal
    params = {name: describe_number(v) for name, v in finalist["params"].items()}
    cells: dict[str, Any] = {"setting": finalist["point"], **params}
    cells |= {"runs": finalist["n"], "mean": finalist["mean"], "sd": finalist["sd"]}
    gap = finalist["difference"]
    cells |= {"minus conventional": gap and gap["mean"]}
    cells |= {"95 % from": gap and gap["low"], "to": gap and gap["high"]}
    cells |= {"P(best)": finalist["p_best"], "recorded in the search": None}
    cells["recorded in the search"] = finalist["recorded"]
    for limit in goal.limits:
        cells[f"mean {limit.name}"] = finalist["values"].get(limit.name)
    if goal.limits:
        cells["within limits"] = "yes" if finalist["feasible"] else "no"
        cells["runs within"] = f"{finalist['kept']} of {finalist['n']}"
    others = [r["status"] for r in finalist["runs"] if r["status"] != Status.DONE]
    cells[_LOST] = ", ".join(others)
    return cells


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def finals_section(campaign: Campaign, estimate: Mapping[str, Any]) -> str:
    """The part of the page on the finals; empty for a campaign without them."""
    finals = estimate.get("finals")
    if not finals:
        return ""
    note = ""
    if finals["note"]:
        note = f"<p>{html.escape(finals['note'].capitalize())}.</p>"
    if not finals["finalists"]:
        return f"<h2>Finals</h2>\n{note}"
    table = finals_table(campaign, finals).to_html(border=0, escape=True, index=False)
    text = html.escape(_figure_text(campaign.goal))
    return f"""<h2>Finals</h2>
<p>{html.escape(_method(campaign, finals))}</p>
<p>{html.escape(optimism_words(finals, campaign.goal))}</p>
{note}{table}
{_limits_list(finals)}
<figure><img src="finals.svg" alt="{text}"><figcaption>{text}</figcaption></figure>"""


def _method(campaign: Campaign, finals: Mapping[str, Any]) -> str:
    """How the finals were run and judged."""
    goal, seeds = campaign.goal, ", ".join(map(str, finals["seeds"]))
    sense = "lowest" if goal.lower_is_better else "highest"
    within = " with the mean of every limited value within its limit"
    words = [
        "The best settings of the search again, with seeds that it never used "
        f"(seed indices {seeds}).",
        f"The estimate is chosen on these runs only: {sense} mean {goal.objective}"
        f"{within if goal.limits else ''}.",
        f"P(best): {finals['chance_by']}.",
    ]
    if finals["conventional"]:
        words.append(
            "The conventional setting ran with the same seeds; the difference to it is "
            "that of runs of equal seed, with a 95 % interval (Student t)."
        )
    return " ".join(words)


def optimism_words(finals: Mapping[str, Any], goal: Goal) -> str:
    """How far the best recorded value of the search flattered, in a sentence."""
    raw = finals["raw_best"]
    if raw is None:
        return "The best setting of the search has no fresh runs to compare with."
    flatters = (raw["optimism"] < 0) == goal.lower_is_better and raw["optimism"] != 0
    word = "better" if flatters else "worse"
    return (
        f"The best value that the search recorded, {raw['recorded']:.4g} at "
        f"{raw['point']}, is {abs(raw['optimism']):.4g} {word} than the mean of its "
        f"fresh runs, {raw['fresh']:.4g}."
    )


def _limits_list(finals: Mapping[str, Any]) -> str:
    if not finals["each_limit"]:
        return ""
    items = []
    for entry in finals["each_limit"]:
        text = f"{entry['name']} <= {entry['maximum']:g}: "
        if entry["point"] is None:
            text += "no finalist"
        else:
            kept = f"{entry['kept']} of {entry['n']}"
            text += f"{entry['point']}, {kept} runs within the limit"
            if entry["p_best"] is not None:
                text += f", P(best of those within) {entry['p_best']:.2f}"
            gap = entry["difference"]
            if gap:
                text += f", minus conventional {gap['mean']:+.4g}"
            if gap and gap["low"] is not None:
                text += f" ({gap['low']:+.4g} to {gap['high']:+.4g})"
        items.append(f"<li>{html.escape(text)}</li>")
    return "<ul>" + "".join(items) + "</ul>"


def _figure_text(goal: Goal) -> str:
    hollow = ", hollow over a limit" if goal.limits else ""
    return (
        f"Finals: {goal.objective} of single fresh runs (dots{hollow}), mean and 95 % "
        "interval (bars), best value recorded in the search (triangles), conventional "
        "setting (dashed, with the interval of its mean)."
    )


def finals_figure(finals: Mapping[str, Any], goal: Goal, path: Path) -> None:
    """The fresh runs of every finalist, best at the top.

    Args:
        finals: As in the estimate.
        goal: Objective and limits.
        path: Where the figure goes.
    """
    rows = in_order(finals, goal)
    with style() as plt:
        height = min(_TALLEST, 1.3 + 0.34 * max(1, len(rows)))
        figure, axes = plt.subplots(figsize=(WIDTH, height))
        _draw_control(axes, finals["conventional"])
        for row, finalist in enumerate(rows):
            _draw_finalist(
                axes, row, finalist, goal, finalist["point"] == finals["best"]
            )
        axes.set_yticks(range(len(rows)), [_tick(f) for f in rows])
        axes.set_ylim(max(1, len(rows)) - 0.4, -0.6)
        axes.set(xlabel=label(goal.objective), ylabel="setting")
        if not rows:
            axes.text(0.5, 0.5, "no finals", transform=axes.transAxes, ha="center")
        handles, names = axes.get_legend_handles_labels()
        unique = dict(zip(names, handles, strict=True))
        if unique:
            axes.legend(
                unique.values(),
                unique.keys(),
                ncols=3,
                loc="lower center",
                bbox_to_anchor=(0.5, 1.0),
            )
        save(figure, path)


def _tick(finalist: Mapping[str, Any]) -> str:
    if finalist["sound"] and not finalist["feasible"]:
        return f"{finalist['point']}\n(over a limit)"
    return str(finalist["point"])


def _draw_control(axes: Axes, control: Mapping[str, Any] | None) -> None:
    if control is None or control["mean"] is None:
        return
    mean, half = control["mean"], half_width(control["sd"], control["n"])
    axes.axvline(mean, color=RED, lw=1, ls="--", label="conventional setting")
    if half is not None:
        axes.axvspan(mean - half, mean + half, color=RED, alpha=0.1, lw=0)


def _draw_finalist(
    axes: Axes, row: int, finalist: Mapping[str, Any], goal: Goal, best: bool
) -> None:
    done = _values(finalist["runs"], goal)
    for feasible, word in ((True, "fresh run"), (False, "over a limit")):
        xs = [x for x, kept in done if kept is feasible]
        face: Any = BLUE if feasible else "none"
        if xs:
            axes.scatter(
                xs,
                [row + 0.17] * len(xs),
                s=16,
                facecolors=face,
                edgecolors=BLUE,
                label=word,
                zorder=3,
            )
    if finalist["recorded"] is not None:
        axes.scatter(
            [finalist["recorded"]],
            [row + 0.17],
            s=22,
            marker="v",
            color=GREY,
            label="recorded in the search",
            zorder=2,
        )
    if finalist["mean"] is not None:
        half = half_width(finalist["sd"], finalist["n"])
        axes.errorbar(
            [finalist["mean"]],
            [row - 0.14],
            xerr=None if half is None else [half],
            fmt="D",
            ms=5,
            color=ORANGE if best else "0.25",
            capsize=3,
            label="chosen: mean, 95 % interval" if best else "mean, 95 % interval",
            zorder=4,
        )
    lost = [r["status"] for r in finalist["runs"] if r["status"] != Status.DONE]
    if lost:
        axes.annotate(
            f"{len(lost)} " + "/".join(sorted(set(lost))),
            (1.0, row),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="center",
            fontsize=7,
            color=GREY,
        )


def _values(runs: Sequence[Mapping[str, Any]], goal: Goal) -> list[tuple[float, bool]]:
    """Objective and feasibility of the runs that have a value."""
    found = []
    for run in runs:
        result = Result((), run["seed"], Status(run["status"]), run["values"])
        value = result.values.get(goal.objective)
        if goal.cost(result) is not None and value is not None:
            found.append((value, goal.feasible(result)))
    return found
