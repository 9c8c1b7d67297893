"""Replays stop rules on recorded curves: python run.py OUT.tsv CURVES.npz ...

Each replay shuffles the trainings, draws three quarters of them, runs them in batches,
and asks how many epochs a rule saves and whether the best training was stopped. Those
that the demo's campaign chose are also replayed all, in its batches, in its order and
shuffled. The other rules are the usual ones: the median rule and successive halving's
upper third.

Curves of `curves.py` come twice: as they are, and with noise from epoch to epoch of a
tenth of the spread of the final values, and a jump of ten times that in one epoch of a
hundred, somewhat like the score of a GAN. Those of `dbpn_curves.py` have the noise that
they have; NIQE is judged, and only trainings that end within the demo's limit on the
RMSE can be the best, as in its campaign.
"""

import argparse
import itertools
import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from collinear.training.stop_replay import mean_outcome, replay
from collinear.training.stopping import StopPlan, value_at_rung

BATCH = 13  # the mean batch of the documented campaign
SHARE = 0.75
RMSE_LIMIT = 7.1  # config/demo.yaml
RULES = (
    ("largest", {"margin": "largest"}, 0.0),
    ("largest, audit 10 %", {"margin": "largest"}, 0.1),
    ("near", {"margin": "near"}, 0.0),
    ("near, audit 10 %", {"margin": "near"}, 0.1),
    ("near, from 10 on", {"least": 10, "margin": "near"}, 0.0),
    ("quantile, from 4 on", {"least": 4, "margin": "quantile"}, 0.0),
)
PLANS = {
    "25": (25.0,),
    "50": (50.0,),
    "100": (100.0,),
    "25, 50, 100": (25.0, 50.0, 100.0),
}
DBPN_PLANS = {  # 20, 40 and 60 % of the training
    "5": (5.0,),
    "10": (10.0,),
    "15": (15.0,),
    "5, 10": (5.0, 10.0),
}


@dataclass(frozen=True)
class Recorded:
    """Curves (trainings, scores) and whether each training keeps the limits."""

    name: str
    curves: np.ndarray
    feasible: np.ndarray
    plans: dict
    last: int
    batches: tuple = ()  # of a campaign; () for batches of `BATCH`
    in_order: bool = False  # the order is that of the campaign
    share: float = SHARE  # of the trainings in a replay

    def replays(self, n, seed=0):
        """Curves and feasibility of each replay: in order once, or shuffled n times."""
        if self.in_order:
            yield self.curves, self.feasible
            return
        draw = np.random.default_rng(seed)
        size = round(self.share * len(self.curves))
        for _ in range(n):
            rows = draw.permutation(len(self.curves))[:size]
            if np.isfinite(self.curves[rows, -1][self.feasible[rows]]).any():
                yield self.curves[rows], self.feasible[rows]


def noisy(curves, seed=0):
    draw = np.random.default_rng(seed)
    low, high = np.nanquantile(curves[:, -1], [0.25, 0.75])
    size = np.where(draw.random(curves.shape) < 0.01, 10.0, 1.0)
    return curves + 0.1 * (high - low) * size * draw.normal(size=curves.shape)


def cut(curves, feasible, rung, keep, last):
    """Stop all that are not among the `keep` share at a rung, against those before.

    Returns epochs saved, the same after the first batch, best lost, regret.
    """
    n, epochs = curves.shape
    scores = curves[:, int(rung) - 5 : int(rung)].tolist()
    values = np.array([value_at_rung(row) for row in scores], float)  # None: NaN
    finals = np.median(curves[:, -last:], axis=1)
    stopped = np.zeros(n, bool)
    for first in range(BATCH, n, BATCH):
        seen = values[:first]
        limit = np.nanquantile(seen, keep)
        rows = slice(first, first + BATCH)
        stopped[rows] = values[rows] > limit
    could = np.where(feasible, finals, np.nan)
    winner = int(np.nanargmin(could))
    saved = stopped.sum() * (epochs - rung) / (n * epochs)
    left = could[~stopped & np.isfinite(could)]
    regret = left.min() - finals[winner] if left.size else np.inf
    return saved, saved * n / (n - BATCH), bool(stopped[winner]), regret


def perceptron(path):
    data = np.load(path)
    for name, last, noise in itertools.product(
        ("error", "entropy"), (1, 5), (False, True)
    ):
        curves = data[name].astype(float)
        shown = noisy(curves) if noise else curves
        label = f"{path.stem} {name}" + (", noise" if noise else "")
        yield Recorded(label, shown, np.ones(len(curves), bool), PLANS, last)


def dbpn(path):
    """NIQE of D-DBPN: all settings, the tame ones, the demo campaign as it went."""
    data = np.load(path)
    niqe, rmse = data["niqe"].astype(float), data["rmse"].astype(float)
    feasible = rmse[:, -1] <= RMSE_LIMIT
    told = len(data["step"])
    tame = data["learning_rate"] <= 1e-3  # above, all are hopeless at once
    batches = tuple(int(n) for n in np.unique(data["step"], return_counts=True)[1])

    def part(name, rows, last):
        return Recorded(
            f"{path.stem} {name}", niqe[rows], feasible[rows], DBPN_PLANS, last
        )

    for last in (1, 5):
        yield part("all", np.ones(len(niqe), bool), last)
        yield part("learning rate <= 1e-3", tame, last)
    for name, in_order in (("demo's order", True), ("demo's, shuffled", False)):
        yield Recorded(
            f"{path.stem} {name}",
            niqe[:told],
            feasible[:told],
            DBPN_PLANS,
            1,
            batches,
            in_order,
            1.0,
        )


def rows_of(shown, repeats):
    """Rows of the table: the means of a rule's replays."""
    for (label, rungs), (rule, options, audit) in itertools.product(
        shown.plans.items(), RULES
    ):
        plan = StopPlan(rungs, **options)
        found = [
            replay(
                part,
                plan,
                batch=shown.batches or BATCH,
                last=shown.last,
                audit=audit,
                seed=at,
                feasible=kept,
            )
            for at, (part, kept) in enumerate(shown.replays(repeats))
        ]
        yield shown.name, shown.last, rule, label, *mean_outcome(found), len(found)
    if shown.batches:
        return
    singles = [rungs[0] for rungs in shown.plans.values() if len(rungs) == 1]
    for (label, keep), rung in itertools.product(
        (("median", 0.5), ("upper third", 1 / 3)), singles
    ):
        found = [cut(*p, rung, keep, shown.last) for p in shown.replays(repeats)]
        means = [statistics.fmean(map(float, c)) for c in zip(*found, strict=True)]
        yield shown.name, shown.last, label, f"{rung:g}", *means, len(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("curves", type=Path, nargs="+")
    parser.add_argument("--repeats", type=int, default=300)
    given = parser.parse_args()
    header = "curves last rule rungs saved saved_later best_lost regret replays"
    lines = ["\t".join(header.split())]
    for path in given.curves:
        kind = dbpn if "niqe" in np.load(path).files else perceptron
        for shown in kind(path):
            for row in rows_of(shown, given.repeats):
                cells = [f"{c:.4g}" if isinstance(c, float) else str(c) for c in row]
                lines.append("\t".join(cells))
    given.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
