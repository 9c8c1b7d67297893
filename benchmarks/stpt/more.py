"""STPT with other optimisers, and without bounds: python more.py OUT [--seeds N]

The study of run.py again. `OUT/optimizers`: Adam, AdaGrad and LARS, each at three
fixed rates and with STPT from the middle one; LARS with two trust coefficients.
`OUT/longer`: LARS with an alpha of four updates, 27 % of an epoch.
`OUT/bounds`: a perceptron without normalisation, which dies of a large rate, candidates
scored on 64 images only, so that scores are often equal. Of equals the first goes on,
which in the document's sets is the largest, or, as ours, the one nearest 1; with and
without bounds.
"""

import argparse
import math
import time
from functools import partial
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import pandas as pd
import torch
from figures import summary
from matplotlib import pyplot as plt
from run import EPOCHS, SCHEDULES, WARM_UP, Study, write
from torch import nn

from collinear.training.lars import Lars
from collinear.training.stpt import StptPlan
from collinear.training.stpt_policy import Stpt

OPTIMIZERS = {
    "Adam": (torch.optim.Adam, (0.01, 0.003, 0.001)),
    "AdaGrad": (torch.optim.Adagrad, (0.1, 0.03, 0.01)),
    "LARS, trust 0.2": (partial(Lars, weight_decay=1e-4, trust=0.2), (0.1, 0.03, 0.01)),
    "LARS, trust 0.02": (partial(Lars, weight_decay=1e-4, trust=0.02), (1.0, 0.3, 0.1)),
}
BOUNDS_EPOCHS = 30
FREE = (1e-12, 1e12)


def perceptron(seed):
    torch.manual_seed(seed)
    layers = [nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    first, second, last = layers
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), second, nn.ReLU(), last)


def policy_of(study, schedule, rate, warm_up, bounds, score, alpha=1):
    plan = StptPlan(
        study.iterations, alpha, SCHEDULES[schedule], WARM_UP, warm_up, *bounds
    )
    return Stpt(
        plan,
        study.optimizer,
        rate=rate,
        train=study.train,
        score=score,
        keep=(study.net, study.draw),
    )


def optimizers(seed):
    """Yield label and (study, rate, record) of each epoch."""
    for name, (make, rates) in OPTIMIZERS.items():
        for rate in rates:
            yield f"{name}, fixed {rate:g}", fixed(make, rate, seed)
        for schedule in ("narrow", "wide"):
            label = f"{name}, {schedule} from {rates[1]:g}"
            yield label, tuned(make, rates[1], schedule, seed)


def fixed(make, rate, seed):
    study = Study(seed, lambda params: make(params, lr=rate))
    for _ in range(EPOCHS):
        study.train(study.iterations)
        yield study, rate, None


def tuned(make, rate, schedule, seed, alpha=1):
    study = Study(seed, lambda params: make(params, lr=rate))
    bounds = (rate / 100, rate * 10)
    score = study.validation
    policy = policy_of(study, schedule, rate, rate / 20, bounds, score, alpha)
    for _ in range(EPOCHS):
        record = policy.run_epoch()
        yield study, record.rate, record


def longer(seed):
    """As `optimizers`: LARS with an alpha of four updates."""
    name = "LARS, trust 0.2"
    make, rates = OPTIMIZERS[name]
    for schedule in ("narrow", "wide"):
        label = f"{name}, {schedule} from {rates[1]:g}, alpha 4"
        yield label, tuned(make, rates[1], schedule, seed, alpha=4)


def bounds(seed):
    """As `optimizers`: momentum, Wide from 0.5."""
    for first in (True, False):
        for limits in (FREE, (1e-4, 0.1)):
            ties = "first of equals" if first else "nearest 1 of equals"
            told = "no bounds" if limits == FREE else "at most 0.1"
            yield f"{ties}, {told}", bounded(first, limits, seed)


def bounded(first, limits, seed):
    study = Study(seed, build=perceptron)

    def score():
        found = study.accuracy(slice(900, 964))
        rate = study.optimizer.param_groups[0]["lr"]
        return found + (1e-6 * math.log(rate) if first else 0)  # parts equals only

    policy = policy_of(study, "wide", 0.5, 0.005, limits, score)
    for _ in range(BOUNDS_EPOCHS):
        record = policy.run_epoch()
        yield study, record.rate, record


def draw_rates(folder):
    epochs = pd.read_csv(folder / "epochs.tsv", sep="\t")
    plt.rcParams |= {"svg.hashsalt": "stpt", "svg.fonttype": "none"}
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for colour, (method, rows) in enumerate(epochs.groupby("method", sort=False)):
        for number, (_, one) in enumerate(rows.groupby("seed")):
            label = method if number == 0 else None
            axes.plot(one.epoch, one.rate, color=f"C{colour}", label=label, lw=1.3)
    axes.set(xlabel="epoch", ylabel="learning rate", yscale="log")
    axes.legend(fontsize=8)
    figure.savefig(folder / "rates.svg", metadata={"Date": None})
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=("bounds", "optimizers", "longer"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    studies = {study.__name__: study for study in (bounds, optimizers, longer)}
    for study in (studies[name] for name in given.only or studies):
        folder = given.out / study.__name__
        folder.mkdir(parents=True, exist_ok=True)
        runs, epochs = [], []
        for seed in range(given.seeds):
            for label, method in study(seed):
                for epoch, (one, rate, _) in enumerate(method, start=1):
                    test = one.test()
                    epochs.append((label, seed, epoch, f"{rate:.6g}", f"{test:.4f}"))
                runs.append((label, seed, f"{test:.4f}", f"{rate:.6g}", one.updates))
                print(*runs[-1], f"{time.process_time() - started:.0f} s", flush=True)
            write(folder, runs, epochs, [])
        table = pd.read_csv(folder / "runs.tsv", sep="\t")
        summary(table).to_csv(folder / "summary.tsv", sep="\t", index=False)
        if study is bounds:
            draw_rates(folder)


if __name__ == "__main__":
    main()
