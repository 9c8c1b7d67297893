"""The benchmarks of stop rules and STPT: their tables follow from their curves."""

import csv
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parents[3] / "benchmarks"
NAMES = ("run", "curves", "rivals")


@pytest.fixture
def load(monkeypatch):
    """Return a function (folder, module) -> a module of a benchmark."""
    before = {name: sys.modules.pop(name, None) for name in NAMES}

    def find(folder, name):
        monkeypatch.syspath_prepend(str(FOLDER / folder))
        return importlib.import_module(name)

    yield find
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


def test_a_committed_row_follows_from_the_committed_curves(load):
    run = load("stopping", "run")
    with open(FOLDER / "stopping/replays.tsv") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    row = next(
        r
        for r in rows
        if (r["curves"], r["last"], r["rule"], r["rungs"])
        == ("constant error, noise", "1", "ours", "50")
    )
    curves = np.load(FOLDER / "stopping/constant.npz")["error"].astype(float)
    plan = run.StopPlan(run.PLANS["50"])
    found = [
        run.replay(part, plan, batch=run.BATCH)
        for part in run.draws(run.noisy(curves), int(row["replays"]))
    ]
    saved, lost, _ = run.mean_outcome(found)
    assert f"{saved:.4g}" == row["saved"]
    assert lost == float(row["best_lost"])


def test_curves_are_the_same_again(load):
    curves = load("stopping", "curves")
    chosen = curves.settings(3, seed=1)
    again = [curves.train_together(chosen, 16, 2, 1, None)[1] for _ in range(2)]
    assert np.array_equal(*again)
    assert np.isfinite(again[0]).all()


@pytest.mark.parametrize("name", ["Prodigy", "ScheduleFreeSGD"])
def test_rivals_find_the_least_of_a_bowl(load, name):
    rivals = load("stpt", "rivals")
    x = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    make = {
        "Prodigy": lambda: rivals.Prodigy([x]),
        "ScheduleFreeSGD": lambda: rivals.ScheduleFreeSGD([x], 0.3),
    }
    optimizer = make[name]()
    for _ in range(400):
        optimizer.zero_grad()
        (x - 1).square().sum().backward()
        optimizer.step()
    if name == "ScheduleFreeSGD":
        optimizer.swap("x")
    else:
        assert 0.5 < optimizer.d < 10  # about the distance to the solution
    assert torch.allclose(x.detach(), torch.ones(2), atol=0.1)


@pytest.mark.parametrize("index", [1, 7])
def test_a_committed_race_follows_from_the_committed_curves(load, index):
    run = load("race", "run")
    with open(FOLDER / "race/ranking.tsv") as stream:
        row = list(csv.DictReader(stream, delimiter="\t"))[index]
    curves = run.read_curves(FOLDER / "race/curves.tsv")[row["schedule"]]
    whole = row["judged"] == "each at its end"
    half = run.ITERATIONS // run.EVERY * curves["base (rate 1e-3)"][2] / 2
    share = float(row["length"].rstrip("%")) / 100
    found = run.judge(curves, share, None if whole else half)
    for name in ("best", "tested uses", "tested", "prediction", "last"):
        assert found[name] == row[name]
    for name in ("prediction loses", "last spearman", "prediction error"):
        assert found[name] == pytest.approx(float(row[name]), abs=1e-3)
