"""The study of the document on STPT at small scale: python run.py OUT [--seeds N]

A residual network of two blocks on the 8 x 8 digits of scikit-learn (He initialisation,
momentum 0.9), eight workers simulated as in the document: every update is one of the
whole minibatch. Writes runs.tsv (one row a training), epochs.tsv (accuracy and learning
rate after every epoch) and candidates.tsv (what each candidate scored).
"""

import argparse
import csv
import math
import time
from functools import partial
from pathlib import Path

import torch
from rivals import Prodigy, ScheduleFreeSGD
from sklearn.datasets import load_digits
from torch import nn

from collinear.training.stpt import (
    MIDDLE,
    NARROW,
    SETS,
    WIDE,
    StptPlan,
    mix_for,
)
from collinear.training.stpt_policy import Stpt

EPOCHS, MINIBATCH, WARM_UP = 20, 64, 2
SCHEDULES = {
    "narrow": ((1, NARROW),),
    "middle": ((1, MIDDLE),),
    "wide": ((1, WIDE),),
    "mix": mix_for(EPOCHS),
    "alpha study": ((1, SETS["alpha_study"]),),
}


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x):
        return (x + self.layers(x)).relu()


def network(seed, width=8):
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        Block(width),
        nn.MaxPool2d(2),
        Block(width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 10),
    )
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return net


class Study:
    """One training; 900 images to learn from, 400 to choose by, 497 to report."""

    def __init__(self, seed, optimizer=None, build=network):
        digits = load_digits()
        draw = torch.Generator().manual_seed(100 + seed)
        order = torch.randperm(len(digits.target), generator=draw)
        self.x = torch.tensor(digits.images / 16.0, dtype=torch.float32)[order, None]
        self.y = torch.tensor(digits.target)[order]
        # A tenth of the labels is wrong, or every method reaches 99 %.
        wrong = torch.rand(900, generator=draw) < 0.1
        self.y[:900][wrong] = torch.randint(0, 10, (int(wrong.sum()),), generator=draw)
        self.net = build(seed)
        make = optimizer or (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9))
        self.optimizer = make(self.net.parameters())
        self.draw = torch.Generator().manual_seed(seed)
        self.iterations = math.ceil(900 / MINIBATCH)
        self.updates = 0

    def train(self, n):
        self.net.train()
        for _ in range(n):
            rows = torch.randint(0, 900, (MINIBATCH,), generator=self.draw)
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.net(self.x[rows]), self.y[rows])
            loss.backward()
            self.optimizer.step()
        self.updates += n

    @torch.no_grad()
    def measure_statistics(self):
        """Let batch normalisation see the training images once more."""
        self.net.train()
        for rows in torch.arange(900).split(MINIBATCH):
            self.net(self.x[rows])

    @torch.no_grad()
    def accuracy(self, rows):
        """Share of right answers; NaN once the network is not finite."""
        self.net.eval()
        out = self.net(self.x[rows])
        if not out.isfinite().all():
            return math.nan
        return float((out.argmax(1) == self.y[rows]).float().mean())

    def validation(self):
        return self.accuracy(slice(900, 1300))

    def test(self):
        found = self.accuracy(slice(1300, None))
        return 0.1 if math.isnan(found) else found  # chance


def run_stpt(schedule, rate, alpha_share, seed, bounds):
    study = Study(seed)
    alpha = max(1, round(alpha_share * study.iterations))
    least, most = bounds
    plan = StptPlan(
        study.iterations, alpha, SCHEDULES[schedule], WARM_UP, 0.005, least, most
    )
    policy = Stpt(
        plan,
        study.optimizer,
        rate=rate,
        train=study.train,
        score=study.validation,
        keep=(study.net, study.draw),
    )
    for _ in range(EPOCHS):
        record = policy.run_epoch()
        yield study, record.rate, record


def run_plain(rate, seed, plateau):
    study, best, waited = Study(seed), 0.0, 0
    for _ in range(EPOCHS):
        for group in study.optimizer.param_groups:
            group["lr"] = rate
        study.train(study.iterations)
        found = study.validation()
        waited = 0 if found > best else waited + 1
        best = max(best, found)
        if plateau and waited == 3:
            rate, waited = rate / 10, 0
        yield study, rate, None


def run_prodigy(seed):
    study = Study(seed, Prodigy)
    for _ in range(EPOCHS):
        study.train(study.iterations)
        yield study, study.optimizer.d, None


def run_schedule_free(rate, seed):
    study = Study(seed, lambda params: ScheduleFreeSGD(params, rate))
    for _ in range(EPOCHS):
        study.train(study.iterations)
        study.optimizer.swap("x")
        study.measure_statistics()
        yield study, rate, None
        study.optimizer.swap("y")


def methods():
    """Label and a function seed -> epochs, for each training of the study."""
    free, bounds = (1e-12, 1e12), (1e-4, 0.5)

    def stpt(schedule, rate, share, limits):
        return lambda seed: run_stpt(schedule, rate, share, seed, limits)

    yield "reference: 0.1, /10 on a plateau", lambda s: run_plain(0.1, s, True)
    for rate in (0.5, 0.1, 0.02, 0.004):
        yield f"fixed {rate:g}", lambda s, r=rate: run_plain(r, s, False)
    yield "Prodigy", run_prodigy
    for rate in (1.0, 0.1):
        yield f"schedule-free SGD {rate:g}", partial(run_schedule_free, rate)
    for schedule in ("narrow", "middle", "wide", "mix"):
        yield f"{schedule}, from 0.1", stpt(schedule, 0.1, 0.08, bounds)
    yield "mix, from 0.004", stpt("mix", 0.004, 0.08, bounds)
    yield "mix, from 0.1, no bounds", stpt("mix", 0.1, 0.08, free)
    yield "wide, from 0.1, no bounds", stpt("wide", 0.1, 0.08, free)
    for share in (0.08, 0.25, 0.5, 1.0):
        yield f"table 2, alpha {share:.0%}", stpt("alpha study", 0.1, share, bounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    started = time.process_time()
    runs, epochs, candidates = [], [], []
    for seed in range(given.seeds):
        for label, start in methods():
            if given.only and given.only not in label:
                continue
            for epoch, (study, rate, record) in enumerate(start(seed), start=1):
                test = study.test()
                epochs.append((label, seed, epoch, f"{rate:.6g}", f"{test:.4f}"))
                for f, r, s in (
                    zip(record.factors, record.rates, record.scores, strict=True)
                    if record
                    else ()
                ):
                    candidates.append(
                        (label, seed, epoch, f, f"{r:.6g}", f"{s:.4f}", record.chosen)
                    )
            runs.append((label, seed, f"{test:.4f}", f"{rate:.6g}", study.updates))
            print(*runs[-1], f"{time.process_time() - started:.0f} s", flush=True)
        write(given.out, runs, epochs, candidates)  # a seed that is done is kept


def write(out, runs, epochs, candidates):
    tables = {
        "runs": ("method seed accuracy last_rate updates", runs),
        "epochs": ("method seed epoch rate accuracy", epochs),
        "candidates": ("method seed epoch factor rate score chosen", candidates),
    }
    for name, (header, rows) in tables.items():
        if not rows:
            continue
        with open(out / f"{name}.tsv", "w", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
            writer.writerows([header.split(), *rows])


if __name__ == "__main__":
    main()
