"""Draws and sums up what run.py measured: python figures.py measured

Writes accuracy.svg, rates.svg, candidates.svg, cost.svg and summary.tsv there.
"""

import argparse
import statistics
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import pandas as pd
from matplotlib import pyplot as plt

from collinear.training.stpt import cost

SHOWN = {
    "reference: 0.1, /10 on a plateau": "black",
    "fixed 0.1": "0.6",
    "narrow, from 0.1": "C0",
    "middle, from 0.1": "C1",
    "wide, from 0.1": "C2",
    "mix, from 0.1": "C3",
}


def curves(epochs, column, label, path, log):
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for method, colour in SHOWN.items():
        rows = epochs[epochs.method == method]
        for number, (_, one) in enumerate(rows.groupby("seed")):
            name = method if number == 0 else None
            axes.plot(one.epoch, one[column], color=colour, label=name, lw=1.3)
    if log:
        axes.set_yscale("log")
    axes.set(xlabel="epoch", ylabel=label, xticks=range(0, 21, 5))
    axes.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def stubs(candidates, path):
    """Figure 2 of the document: what each candidate scored, epoch by epoch."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    rows = candidates[(candidates.method == "wide, from 0.1") & (candidates.seed == 0)]
    for factor, one in rows.groupby("factor"):
        axes.plot(one.epoch, one.score, ".", ms=6, label=f"{factor:g}")
    best = rows.loc[rows.groupby("epoch").score.idxmax()]
    axes.plot(best.epoch, best.score, color="black", lw=1, label="best")
    axes.set(xlabel="epoch", ylabel="accuracy of the candidates after alpha")
    axes.set_xticks(range(0, 21, 5))
    axes.legend(fontsize=8, title="factor", ncols=2)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def costs(path):
    """Figure 3 of the document, with the cost on one worker beside it."""
    alphas = (200, 625, 1250, 2500)
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    found = [cost(2500, alpha, 8) for alpha in alphas]
    places = range(len(alphas))
    axes.bar(
        [p - 0.25 for p in places],
        [c.whole for c in found],
        0.25,
        label="each for an epoch",
    )
    axes.bar(places, [c.sequential for c in found], 0.25, label="STPT, one worker")
    axes.bar(
        [p + 0.25 for p in places],
        [c.concurrent for c in found],
        0.25,
        label="STPT, eight workers",
    )
    axes.set_xticks(list(places), [str(alpha) for alpha in alphas])
    axes.set(xlabel="alpha", ylabel="updates an epoch, eight candidates")
    figure.legend(fontsize=8, loc="outside upper center", ncols=3)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def summary(runs):
    rows = []
    for method, one in runs.groupby("method", sort=False):
        found = one.accuracy.tolist()
        rows.append(
            {
                "method": method,
                "accuracy": round(statistics.fmean(found), 4),
                "least": min(found),
                "most": max(found),
                "seeds": len(found),
                "updates": int(one.updates.median()),
            }
        )
    return pd.DataFrame(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    tables = {
        name: pd.read_csv(folder / f"{name}.tsv", sep="\t")
        for name in ("runs", "epochs", "candidates")
    }
    plt.rcParams |= {"svg.hashsalt": "stpt", "svg.fonttype": "none"}
    curves(
        tables["epochs"], "accuracy", "test accuracy", folder / "accuracy.svg", False
    )
    curves(tables["epochs"], "rate", "learning rate", folder / "rates.svg", True)
    stubs(tables["candidates"], folder / "candidates.svg")
    costs(folder / "cost.svg")
    summary(tables["runs"]).to_csv(folder / "summary.tsv", sep="\t", index=False)


if __name__ == "__main__":
    main()
