"""Writes measured/summary.md and measured/campaigns.png from the tables.

python summarise.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from figure import draw
from headline_tables import headline_tables
from measures import first_time, parse
from run import BUDGETS
from snakemake_tables import finished_table, overhead_table
from tables import LABELS, met, table, usual

HERE = Path(__file__).parent
BASE = "levelled"
OURS = ("anova-lanes", "anova-lanes-finals")

CAMPAIGN_COLUMNS = [
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
]
PAIRED_COLUMNS = [
    "pairs",
    "time to its regret",
    "got there",
    "at most 1/5",
    "time, recorded best",
    "wall",
    "reached minus",
    "taken home minus",
]


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
        CAMPAIGN_COLUMNS,
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
        ["campaign", *PAIRED_COLUMNS],
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
        ["landscape", *PAIRED_COLUMNS],
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


if __name__ == "__main__":
    main()
