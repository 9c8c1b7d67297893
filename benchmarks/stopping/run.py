"""Replays stop rules on recorded curves: python run.py OUT.tsv CURVES.npz ...

Each replay shuffles the trainings, draws two thirds of them, runs them in batches, and
asks how many epochs a rule saves and whether the best training was stopped. The other
rules are the usual ones: the median rule and successive halving's upper third. The
curves come twice: as they are, and with noise from epoch to epoch of a tenth of the
spread of the final values, and a jump of ten times that in one epoch of a hundred,
somewhat like the score of a GAN.
"""

import argparse
import itertools
import statistics
from pathlib import Path

import numpy as np

from collinear.training.stop_replay import mean_outcome, replay
from collinear.training.stopping import StopPlan

BATCH = 13  # the mean batch of the documented campaign
SHARE = 0.75
RULES = (
    ("ours", {}, 0.0),
    ("ours, audit 10 %", {}, 0.1),
    ("quantile, from 4 on", {"least": 4, "margin": "quantile"}, 0.0),
)
PLANS = {
    "25": (25.0,),
    "50": (50.0,),
    "100": (100.0,),
    "25, 50, 100": (25.0, 50.0, 100.0),
}


def noisy(curves, seed=0):
    draw = np.random.default_rng(seed)
    low, high = np.nanquantile(curves[:, -1], [0.25, 0.75])
    size = np.where(draw.random(curves.shape) < 0.01, 10.0, 1.0)
    return curves + 0.1 * (high - low) * size * draw.normal(size=curves.shape)


def cut(curves, rung, keep, last):
    """Stop all that are not among the `keep` share at a rung, against those before.

    Returns epochs saved, whether the best was lost, regret.
    """
    n, epochs = curves.shape
    values = np.median(curves[:, int(rung) - 5 : int(rung)], axis=1)
    finals = np.median(curves[:, -last:], axis=1)
    stopped = np.zeros(n, bool)
    for first in range(BATCH, n, BATCH):
        seen = values[:first]
        limit = np.nanquantile(seen, keep)
        rows = slice(first, first + BATCH)
        stopped[rows] = values[rows] > limit
    winner = int(np.nanargmin(finals))
    saved = stopped.sum() * (epochs - rung) / (n * epochs)
    regret = np.nanmin(finals[~stopped]) - finals[winner]
    return saved, bool(stopped[winner]), regret


def draws(curves, n, seed=0):
    draw = np.random.default_rng(seed)
    size = round(SHARE * len(curves))
    for _ in range(n):
        yield curves[draw.permutation(len(curves))[:size]]


def rows_of(name, curves, repeats, last):
    for label, rungs in PLANS.items():
        if rungs[-1] >= curves.shape[1]:
            continue
        for rule, options, audit in RULES:
            plan = StopPlan(rungs, **options)
            found = [
                replay(part, plan, batch=BATCH, last=last, audit=audit, seed=at)
                for at, part in enumerate(draws(curves, repeats))
            ]
            yield (name, last, rule, label, *mean_outcome(found), repeats)
    for label, keep in (("median", 0.5), ("upper third", 1 / 3)):
        for rung in (25, 50, 100):
            if rung < curves.shape[1]:
                found = [cut(part, rung, keep, last) for part in draws(curves, repeats)]
                means = [
                    statistics.fmean(map(float, c)) for c in zip(*found, strict=True)
                ]
                yield (name, last, label, str(rung), *means, repeats)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("curves", type=Path, nargs="+")
    parser.add_argument("--repeats", type=int, default=300)
    given = parser.parse_args()
    header = [
        "curves",
        "last",
        "rule",
        "rungs",
        "saved",
        "best_lost",
        "regret",
        "replays",
    ]
    lines = ["\t".join(header)]
    for path, name in itertools.product(given.curves, ("error", "entropy")):
        curves = np.load(path)[name].astype(float)
        for last, noise in itertools.product((1, 5), (False, True)):
            label = f"{path.stem} {name}" + (", noise" if noise else "")
            shown = noisy(curves) if noise else curves
            for row in rows_of(label, shown, given.repeats, last):
                cells = [f"{c:.4g}" if isinstance(c, float) else str(c) for c in row]
                lines.append("\t".join(cells))
    given.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
