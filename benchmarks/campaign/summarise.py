"""Writes measured/summary.md and measured/campaigns.png from the tables.

python summarise.py
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import headlines
import matplotlib
import numpy as np
import pandas as pd
from cluster import Cluster
from measures import first_time, parse, widths
from run import BUDGETS, simulate

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
BASE = "levelled"
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
OURS = ("anova-lanes", "anova-lanes-finals")
DRAWN = ("levelled", "radial", "anova-sync", "anova-lanes-finals")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=HERE / "measured")
    folder = parser.parse_args().folder
    runs = pd.read_csv(folder / "runs.csv")
    parts = ["# Whole campaigns, simulated", ""]
    for grid in [g for g in BUDGETS if g in set(runs["grid"])]:
        found = usual(runs, grid)
        if set(OURS) <= set(found["method"]):
            parts += grid_tables(grid, found)
    parts += closing_table(runs) + sensitivity(runs) + headline_tables(runs)
    if (folder / "overhead.csv").exists():
        parts += overhead_table(pd.read_csv(folder / "overhead.csv"))
    if (folder / "finished.csv").exists():
        parts += finished_table(pd.read_csv(folder / "finished.csv"))
    (folder / "summary.md").write_text("\n".join(parts) + "\n")
    draw(runs, folder / "campaigns.png")


def usual(runs: pd.DataFrame, grid: str, cv: float = 0.3) -> pd.DataFrame:
    """The campaigns on a grid with 3 % of failures and no overhead."""
    failures = 0.03 if cv else 0.0  # equal jobs: the reading of the documents
    chosen = (runs["grid"] == grid) & (runs["cv"] == cv) & (runs["per_proposal"] == 0)
    return runs[chosen & (runs["failures"] == failures)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def grid_tables(grid: str, runs: pd.DataFrame) -> list[str]:
    """The tables of one grid."""
    names = list(dict.fromkeys(runs["landscape"]))
    seeds = runs[runs["method"] == OURS[-1]].groupby("landscape")["seed"].nunique()
    present = [m for m in LABELS if m in set(runs["method"])]
    lines = [
        f"## Grid of {grid}",
        "",
        f"Landscapes, and seeds of each with finals: "
        f"{', '.join(f'{n} {seeds[n]}' for n in names)}. 50 slots, job lengths "
        "lognormal with cv 0.3, 3 % of attempts die. Times in mean job lengths; "
        "medians, regrets are means.",
        "",
    ]
    lines += table(
        [
            "campaign",
            "runs",
            "wall",
            "width",
            "width, whole",
            "trials",
            "batches",
            "regret reached",
            "regret taken home",
            "last lane after the first",
        ],
        [method_row(runs[runs["method"] == m], LABELS[m]) for m in present],
    )
    lines += [
        "*width*: mean number of busy slots from the first to the last proposal of the "
        "search; *whole*: to the last event, the drain and the finals included. "
        "*Regret* is true: the best setting tried, and the one that the campaign "
        "reports. The last column is the largest of all runs.",
        "",
        "Against `levelled`, q = 1, of the same landscape and seed: wall time until "
        "the regret at which that campaign ended, as a share of its wall time. "
        "Median with a 95 % interval (bootstrap, by landscape); "
        "differences of regret are means with 95 % intervals, below 0 is better.",
        "",
    ]
    lines += table(
        [
            "campaign",
            "pairs",
            "time to its regret",
            "got there",
            "at most 1/5",
            "time, recorded best",
            "wall",
            "reached minus",
            "taken home minus",
        ],
        [paired_row(runs, m) for m in present],
    )
    lines += [
        "*recorded best*: the same for the true regret of the best recorded trial, "
        "which noise flatters. *got there* within the trials of its budget.",
        "",
        "By landscape, `anova` with 50 lanes and finals:",
        "",
    ]
    lines += table(
        [
            "landscape",
            "pairs",
            "time to its regret",
            "got there",
            "at most 1/5",
            "time, recorded best",
            "wall",
            "reached minus",
            "taken home minus",
        ],
        [
            paired_row(runs[runs["landscape"] == n], "anova-lanes-finals", n)
            for n in names
        ],
    )
    return lines + verdicts(runs)


def method_row(runs: pd.DataFrame, label: str) -> list[str]:
    last = [parse(text)[-1][1] for text in runs["reached"]]
    return [
        label,
        str(len(runs)),
        f"{runs['wall'].median():.1f}",
        f"{runs['width'].mean():.1f}",
        f"{runs['width_all'].mean():.1f}",
        f"{runs['trials'].median():.0f}",
        f"{runs['batches'].median():.0f}",
        f"{np.mean(last):.4f}",
        f"{runs['home'].mean():.4f}",
        f"{runs['closing'].max():.2f}" if runs["closing"].max() > 0 else "-",
    ]


def paired(runs: pd.DataFrame, method: str) -> pd.DataFrame:
    """One row for each pair: ratios and differences against `levelled`."""
    where = ["landscape", "seed"]
    ours = runs[runs["method"] == method].set_index(where)
    base = runs[runs["method"] == BASE].set_index(where)
    ours = ours[ours.index.isin(base.index)]
    base = base.loc[ours.index]
    rows = {}
    for course in ("reached", "incumbent"):
        ends = [parse(text)[-1][1] for text in base[course]]
        times = [
            first_time(parse(text), end)
            for text, end in zip(ours[course], ends, strict=True)
        ]
        rows[course] = np.array(times) / base["wall"].to_numpy()
    last = [np.array([parse(t)[-1][1] for t in r["reached"]]) for r in (ours, base)]
    rows["regret"] = last[0] - last[1]
    rows["home"] = (ours["home"] - base["home"]).to_numpy()
    rows["wall"] = (ours["wall"] / base["wall"]).to_numpy()
    return pd.DataFrame(rows, index=ours.index).reset_index()


def paired_row(runs: pd.DataFrame, method: str, label: str = "") -> list[str]:
    pairs = paired(runs, method)
    return [
        label or LABELS[method],
        str(len(pairs)),
        interval(pairs, "reached"),
        f"{100 * np.mean(np.isfinite(pairs['reached'])):.0f} %",
        f"{100 * np.mean(pairs['reached'] <= 0.2):.0f} %",
        interval(pairs, "incumbent"),
        interval(pairs, "wall"),
        difference(pairs["regret"]),
        difference(pairs["home"]),
    ]


def interval(pairs: pd.DataFrame, column: str) -> str:
    """Median and its 95 % bootstrap interval; infinite values are never reached."""
    chance = np.random.default_rng(0)
    groups = [g[column].to_numpy() for _, g in pairs.groupby("landscape")]
    draws = [
        np.median(np.concatenate([chance.choice(g, len(g)) for g in groups]))
        for _ in range(2000)
    ]
    low, high = np.quantile(draws, [0.025, 0.975], method="nearest")
    return f"{pairs[column].median():.3f} ({low:.3f} to {high:.3f})"


def difference(values: pd.Series) -> str:
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.4f} ± {half:.4f}"


def verdicts(runs: pd.DataFrame) -> list[str]:
    """The targets, and what was measured."""
    lines = []
    for method in OURS:
        own, pairs = runs[runs["method"] == method], paired(runs, method)
        home, half = pairs["home"].mean(), 1.96 * pairs["home"].sem()
        share, closing = pairs["reached"].median(), own["closing"].max()
        worse = int((pairs["home"] > 1e-9).sum())
        lines += [
            f"{LABELS[method]}:",
            "",
            f"- width at least 45 of 50: {met(own['width'].min() >= 45)} (mean "
            f"{own['width'].mean():.1f}, lowest {own['width'].min():.1f})",
            f"- median time to the regret of `levelled` at most one fifth: "
            f"{met(share <= 0.2)} ({share:.3f}; {(pairs['reached'] > 0.2).sum()} of "
            f"{len(pairs)} pairs above, {np.isinf(pairs['reached']).sum()} of them "
            "never)",
            f"- regret taken home no worse: {met(home - half <= 0)} ({home:+.4f} ± "
            f"{half:.4f}; worse in {worse} of {len(pairs)} pairs)",
            f"- last lane closes at most two job lengths after the first: "
            f"{met(closing <= 2)} (median {own['closing'].median():.2f}, largest "
            f"{closing:.2f}, above 2 in {(own['closing'] > 2).sum()} of {len(own)}; "
            f"{own['called'].sum()} trainings of {own['trials'].sum()} were ended)",
            "",
        ]
    return lines


def met(yes: bool) -> str:
    return "met" if yes else "MISSED"


def sensitivity(runs: pd.DataFrame) -> list[str]:
    """What the time of the main process for each proposal does to the width."""
    chosen = runs[(runs["method"] == "random-lanes") & (runs["cv"] == 0.3)]
    chosen = chosen[chosen["failures"] == 0.03]
    rows = []
    for cost, part in chosen.groupby("per_proposal"):
        width = part["width"].mean()
        rows.append([f"{cost:g}", f"{width:.1f}", str(len(part))])
    if len(rows) < 2:
        return []
    lines = [
        "## How long a job must be",
        "",
        "50 lanes with random proposals; the main process takes so long for each "
        "proposal, one at a time, in mean job lengths.",
        "",
    ]
    return lines + table(["for a proposal", "width", "runs"], rows)


def closing_table(runs: pd.DataFrame) -> list[str]:
    """When the last lane closes, with and without jobs that die or are ended."""
    chosen = runs[(runs["per_proposal"] == 0) & (runs["cv"] == 0.3)]
    chosen = chosen[chosen["method"].str.contains("lanes")]
    rows = [
        [
            LABELS[str(method)],
            str(grid),
            f"{failures:g}",
            f"{part['closing'].median():.2f}",
            f"{part['closing'].max():.2f}",
            f"{(part['closing'] > 2).sum()} of {len(part)}",
            f"{part['closing_share'].max():.3f}",
            f"{part['called'].sum()} of {part['trials'].sum()}",
        ]
        for (grid, method, failures), part in chosen.groupby(
            ["grid", "method", "failures"]
        )
    ]
    lines = [
        "## When the last lane closes",
        "",
        "Time from the first lane's end to the last one's, 50 lanes. Without a last "
        "call it is the time left of the job that ends last; of 363 lognormal lengths "
        "the largest is about 2.2.",
        "",
    ]
    head = ["campaign", "grid", "attempts that die", "median", "largest", "above 2"]
    head += ["largest, in lengths of the longest job then", "trainings ended"]
    return lines + table(head, rows) if rows else []


def headline_tables(runs: pd.DataFrame) -> list[str]:
    """The documents' headlines beside the simulator's."""
    lines = ["## The documents' headlines", ""]
    lines += table(["what", "numbers"], headlines.checks())
    lines += [
        "Factor: full trainings of 2000 epochs (72 h) of all trials one after another, "
        "over the wall time; a fine-tune is 9 h, the pretraining 36 h. Simulated rows "
        "are medians over landscapes and seeds, times 9 h. The documents' batches "
        "lasted 1.08 fine-tunes, so their jobs were nearly equal: cv 0, no failures.",
        "",
    ]
    rows = []
    for document in (headlines.JH220044, headlines.POSTER):
        rows.append(
            headline_row(
                f"document: {document.name}",
                document.trials,
                document.batches,
                document.hours,
            )
        )
        for cv in (0.0, 0.3):
            for method in (
                "levelled",
                "levelled-q4",
                "anova-sync",
                "anova-lanes-finals",
            ):
                part = usual(runs, document.name, cv)
                part = part[part["method"] == method]
                if len(part):
                    rows.append(
                        headline_row(
                            f"simulated: {LABELS[method]}, cv {cv:g} (n = {len(part)})",
                            part["trials"].median(),
                            part["batches"].median(),
                            part["wall"].median() * headlines.JOB_HOURS,
                        )
                    )
    return lines + table(
        [
            "campaign",
            "trials",
            "batches",
            "trials a batch",
            "mean width",
            "hours",
            "factor",
            "with the pretraining",
        ],
        rows,
    )


def headline_row(
    label: str, trials: float, batches: float | None, hours: float
) -> list[str]:
    return [
        label,
        f"{trials:.0f}",
        f"{batches:.0f}" if batches else "not stated",
        f"{trials / batches:.1f}" if batches else "-",
        f"{trials * headlines.JOB_HOURS / hours:.1f}",
        f"{hours:.0f}",
        f"{headlines.factor(trials, hours, pretraining=False):.0f}",
        f"{headlines.factor(trials, hours, pretraining=True):.0f}",
    ]


def overhead_table(found: pd.DataFrame) -> list[str]:
    """What `overhead.py` measured with the real Snakemake."""
    lines = [
        "## The real Snakemake, trainings of no duration",
        "",
        "Local profile; seconds for each trial in the first, second and last third of "
        "the trials, then CPU seconds of the main process and of the jobs; then "
        "seconds (CPU seconds) on the finished campaign. *load*: of the machine.",
        "",
    ]
    rows = []
    for _, row in found.iterrows():
        thirds = [
            " / ".join(f"{row[f'{name}{k}']:.2f}" for k in (1, 2, 3))
            for name in ("seconds", "main_cpu", "jobs_cpu")
        ]
        after = [f"{row[f'{n}_s']} ({row[f'{n}_cpu']})" for n in NAMES_AFTER]
        rows.append(
            [
                str(row["case"]),
                str(row["batch"]),
                str(row["strategy"]),
                str(row["load"]),
                *thirds,
                *after,
            ]
        )
    return lines + table(
        [
            "trials x lanes",
            "batch",
            "strategy",
            "load",
            "s a trial",
            "main CPU",
            "jobs CPU",
            "`-n`",
            "restart",
            "`status`",
        ],
        rows,
    )


def finished_table(found: pd.DataFrame) -> list[str]:
    """What `finished.py` measured."""
    lines = [
        "## A finished campaign",
        "",
        "CPU seconds of asking and telling one trial in each third of the campaign, "
        "without the start of a process; then seconds (CPU seconds) on the finished "
        "campaign. *load*: of the machine.",
        "",
    ]
    rows = [
        [
            str(row["case"]),
            str(row["strategy"]),
            " / ".join(f"{row[f'proposal_cpu{k}']:.3f}" for k in (1, 2, 3)),
            str(row["load"]),
            *(f"{row[f'{n}_s']} ({row[f'{n}_cpu']})" for n in NAMES_AFTER),
        ]
        for _, row in found.iterrows()
    ]
    head = ["trials x lanes", "strategy", "CPU a proposal", "load"]
    return lines + table([*head, "`-n`", "restart", "`status`"], rows)


NAMES_AFTER = ("n", "restart", "status")


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


if __name__ == "__main__":
    main()
