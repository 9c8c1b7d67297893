"""Draws the results: tables in Markdown and figures, from the rows of `run.py`.

    python summarise.py                      writes measured/summary.md and figures

Differences are paired: the same landscape and the same seed. An interval is that of
Student's t at 95 % over seeds, of the mean over landscapes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from landscapes import KERNELS, LIMITED, MANY, PUBLISHED, RECORDED, WIDE
from scipy import stats

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
MEASURES = ("reg50", "reg100", "reg200", "reg363", "home")
OURS = "anova-finals"
NOT_DRAWN = ("anova-one", "anova-one-finals")
PEERS = ("random", "optuna-tpe", "optuna-cma", "botorch-ts")  # of ten seeds
LARGE = WIDE + MANY
OTHERS = {"Large grids": LARGE, "Published tables": PUBLISHED, "Kernels": KERNELS}
APART = LARGE + PUBLISHED + KERNELS
LEVEL = 0.003
SEEDS = 10  # that nearly all methods have on all landscapes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=HERE / "measured")
    given = parser.parse_args()
    runs = read_runs(given.folder)
    open_runs = runs[~runs.landscape.isin(LIMITED + APART)]
    text = ["# The search against its peers", ""]
    for mode, part in open_runs.groupby("mode", sort=False):
        text += [f"## {mode}", "", *overview(part), "", *verdict(part), ""]
        text += [*differences(part), "", *by_kind(part), ""]
        text += by_landscape(part)
        draw(part, given.folder / f"regret-{mode}.png")
    for title, names in OTHERS.items():
        chosen = runs[runs.landscape.isin(names)]
        for mode, part in chosen.groupby("mode", sort=False):
            text += [f"## {title} ({mode})", "", *overview(part), ""]
            text += [*verdict(part), "", *differences(part), "", *by_landscape(part)]
    # Some landscapes have more seeds, and their means would weigh more.
    whole = runs[~runs.landscape.isin(LIMITED) & (runs.seed < SEEDS)]
    for mode, part in whole.groupby("mode", sort=False):
        text += [f"## All landscapes without a limit ({mode})", "", *overview(part)]
        text += ["", *verdict(part), "", *differences(part), ""]
    limited = runs[runs.landscape.isin(LIMITED)]
    if len(limited):
        text += ["## With a limit (sync50)", "", *with_limit(limited), ""]
    (given.folder / "summary.md").write_text("\n".join(text))


def read_runs(folder: Path) -> pd.DataFrame:
    """All runs in a folder, without repeats."""
    frames = [pd.read_csv(path) for path in sorted(folder.glob("runs*.csv"))]
    keys = ["method", "landscape", "mode", "seed"]
    return pd.concat(frames, ignore_index=True).drop_duplicates(keys)


def kind(landscape: str) -> str:
    """The group of a landscape, as `run.py` names it."""
    first = landscape.split("_")[0]
    if landscape in RECORDED:
        return "recorded"
    return first if first in ("moved", "rough") else "synthetic"


def overview(runs: pd.DataFrame) -> list[str]:
    """One row a method: means over landscapes and seeds; nan is not measured."""
    columns = [*MEASURES, "reach 1 %", "trials to 5 %", "trials to 1 %"]
    columns += ["time to 5 %", "CPU s"]
    rows = [header(["method", "seeds", "landscapes", *columns])]
    for method, part in runs.groupby("method"):
        numbers = [f"{part[m].mean():.4f}" for m in MEASURES]
        numbers.append(f"{100 * np.isfinite(part.to1).mean():.0f} %")
        numbers += [f"{part[m].median():.0f}" for m in ("to5", "to1")]
        numbers += [f"{part.time5.median():.2f}", f"{part.cpu.mean():.1f}"]
        counts = [part.seed.nunique(), part.landscape.nunique()]
        rows.append(line([method, *counts, *numbers]))
    return rows


def verdict(runs: pd.DataFrame) -> list[str]:
    """Ours beside the best peer of each measure, on the runs that both have."""
    wanted = {**{m: m for m in MEASURES[1:]}, "reach 1 %": "missed"}
    runs = runs.assign(missed=(~np.isfinite(runs.to1)).astype(float))
    peers = [m for m in PEERS if m in set(runs.method)]
    if OURS not in set(runs.method) or not peers:
        return []
    rows = [header(["measure", "best peer", "seeds", "ours minus peer", "so we are"])]
    for name, measure in wanted.items():
        means = runs[runs.method.isin(peers)].groupby("method")[measure].mean()
        best = str(means.dropna().idxmin())
        gap, half, seeds = paired(runs, best, measure)
        word = "level"
        if abs(gap) >= LEVEL and abs(gap) > half:
            word = "ahead" if gap < 0.0 else "behind"
        if measure == "missed":
            shown = f"{-100 * gap:+.1f} ± {100 * half:.1f} % reached"
        else:
            shown = interval(gap, half)
        rows.append(line([name, best, seeds, shown, word]))
    note = f"Level: within {LEVEL}, or within the 95 % interval."
    return [*rows, "", note]


def by_kind(runs: pd.DataFrame) -> list[str]:
    """Means of three measures for each kind of landscape."""
    runs = runs.assign(kind=runs.landscape.map(kind))
    rows = []
    for measure in ("reg100", "reg200", "reg363", "home"):
        table = runs.pivot_table(index="kind", columns="method", values=measure)
        rows += [f"{measure} by kind of landscape:", "", header([" ", *table.columns])]
        rows += [line([n, *(f"{v:.4f}" for v in r)]) for n, r in table.iterrows()]
        rows.append("")
    return rows


def differences(runs: pd.DataFrame) -> list[str]:
    """Ours minus each other method, with 95 % intervals; negative is better."""
    if OURS not in set(runs.method):
        return []
    rows = [f"{OURS} minus the other, paired:", "", header(["other", *MEASURES])]
    for method in sorted(set(runs.method) - {OURS}):
        cells = [interval(*paired(runs, method, m)[:2]) for m in MEASURES]
        rows.append(line([method, *cells]))
    return rows


def paired(
    runs: pd.DataFrame, other: str, measure: str, ours: str = OURS
) -> tuple[float, float, int]:
    """Mean difference over landscapes, half its 95 % interval, number of seeds."""
    table = runs.pivot_table(
        index=["seed", "landscape"], columns="method", values=measure
    )
    if other not in table:  # never ran this far
        return float("nan"), float("nan"), 0
    gap = (table[ours] - table[other]).replace([np.inf, -np.inf], np.nan).dropna()
    sizes = gap.groupby("seed").size()
    means = gap.groupby("seed").mean()[sizes == sizes.max()]  # whole seeds
    if len(means) < 2:
        return float(means.mean()), float("nan"), len(means)
    half = stats.t.ppf(0.975, len(means) - 1) * means.std() / np.sqrt(len(means))
    return float(means.mean()), float(half), len(means)


def interval(mean: float, half: float) -> str:
    return f"{mean:+.4f} ± {half:.4f}"


def by_landscape(runs: pd.DataFrame) -> list[str]:
    """Means of three measures for each landscape and method."""
    text = []
    for measure in ("reg100", "reg363", "home"):
        table = runs.pivot_table(index="landscape", columns="method", values=measure)
        text += [f"{measure} by landscape:", "", header([" ", *table.columns])]
        text += [line([n, *(f"{v:.4f}" for v in r)]) for n, r in table.iterrows()]
        text.append("")
    return text


def with_limit(runs: pd.DataFrame) -> list[str]:
    """One row a landscape and method: speed, and whether the choice keeps the limit."""
    names = ["trials to 5 %", "trials to 1 %", "infeasible trials", "kept limit"]
    rows = [header(["landscape", "method", "seeds", *names, "home, where kept"])]
    for (name, method), part in runs.groupby(["landscape", "method"]):
        kept = np.isfinite(part.home)
        shown = [f"{part[m].median():.0f}" for m in ("to5", "to1")]
        shown += [f"{part.infeasible.mean():.0f}", f"{100 * kept.mean():.0f} %"]
        rows.append(line([name, method, len(part), *shown, part.home[kept].mean()]))
    return rows


def header(cells: list[str]) -> str:
    return line(cells) + "\n" + line(["---"] * len(cells))


def line(cells: list) -> str:
    shown = (f"{c:.4f}" if isinstance(c, float) else str(c) for c in cells)
    return "| " + " | ".join(shown) + " |"


def draw(runs: pd.DataFrame, path: Path) -> None:
    """Mean regret after 50, 100, 200 and 363 trials, with 95 % intervals.

    Methods with fewer than three seeds are left out.
    """
    figure, axis = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    checkpoints = [50, 100, 200, 363]
    enough = runs.groupby("method").seed.transform("nunique") >= 3
    drawn = runs[enough & ~runs.method.isin(NOT_DRAWN)]
    for shift, (method, part) in enumerate(drawn.groupby("method")):
        seeds = part.groupby("seed")[[f"reg{n}" for n in checkpoints]].mean()
        mean, spread = seeds.mean(), seeds.std() / np.sqrt(len(seeds))
        places = np.array(checkpoints) * (1.0 + 0.01 * shift)
        bar = stats.t.ppf(0.975, max(len(seeds) - 1, 1)) * spread.fillna(0.0)
        bar = np.minimum(bar, 0.9 * mean)
        axis.errorbar(places, mean, bar, marker="o", capsize=2, label=method)
    axis.set(xscale="log", yscale="log", xlabel="trials")
    axis.set_ylabel("regret / (median - optimum)")
    axis.set_xticks(checkpoints, [str(n) for n in checkpoints])
    axis.minorticks_off()
    axis.legend(frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main()
