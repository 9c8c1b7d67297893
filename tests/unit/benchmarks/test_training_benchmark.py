"""The benchmarks of stop rules and STPT: their tables follow from their curves."""

import csv
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parents[3] / "benchmarks"
NAMES = ("run", "curves", "rivals", "dbpn_curves", "more", "figures")


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


def committed(**wanted):
    with open(FOLDER / "stopping/replays.tsv") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return next(r for r in rows if wanted.items() <= r.items())


@pytest.mark.parametrize(
    ("file", "curves", "rungs"),
    [
        ("constant", "constant error, noise", "50"),
        ("dbpn", "dbpn all", "10"),
        ("dbpn", "dbpn demo's order", "10"),
        ("dbpn", "dbpn demo's, shuffled", "10"),
    ],
)
def test_a_committed_row_follows_from_the_committed_curves(load, file, curves, rungs):
    run = load("stopping", "run")
    row = committed(curves=curves, last="1", rule="near", rungs=rungs)
    path = FOLDER / f"stopping/{file}.npz"
    kind = run.dbpn if file == "dbpn" else run.perceptron
    shown = next(r for r in kind(path) if (r.name, r.last) == (curves, 1))
    plan = run.StopPlan(shown.plans[rungs], margin="near")
    found = [
        run.replay(part, plan, batch=shown.batches or run.BATCH, feasible=kept)
        for part, kept in shown.replays(int(row["replays"]))
    ]
    means = [f"{mean:.4g}" for mean in run.mean_outcome(found)]
    assert means == [row[k] for k in ("saved", "saved_later", "best_lost", "regret")]


def test_the_curves_of_dbpn_end_where_the_demo_campaign_did(load):
    curves = load("stopping", "dbpn_curves")
    data, told = np.load(FOLDER / "stopping/dbpn.npz"), curves.told()
    assert data["niqe"].shape == data["rmse"].shape == (len(data["niqe"]), 25)
    for name in curves.VALUES:
        ends = [float(trial[name]) for trial in told]
        np.testing.assert_allclose(data[name][: len(told), -1], ends, rtol=1e-6)
    assert len(set(curves.points(curves.demo(), 100))) == 100


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


def test_bounds_and_ties_hold_the_rate_that_runs_away_without_them(load, monkeypatch):
    """On a network that is dead, so that all candidates score alike.

    Whether and when a real training dies differs between machines.
    """
    more = load("stpt", "more")
    monkeypatch.setattr(more.Study, "accuracy", lambda study, part: 0.1)
    rates = {
        first: [rate for _, rate, _ in more.bounded(first, more.FREE, seed=1)]
        for first in (True, False)
    }
    assert max(rates[True]) > 1e3
    assert max(rates[False]) < 2
    held = [rate for _, rate, _ in more.bounded(True, (1e-4, 0.1), seed=1)]
    assert max(held) <= 0.1


def test_a_usual_rule_stops_the_worse_half_after_the_first_batch(load):
    run = load("stopping", "run")
    curves = np.repeat(np.arange(26.0)[:, None], 25, axis=1)[::-1].copy()
    curves[0, :9] = np.nan  # one score is left at the rung
    found = run.cut(curves, np.ones(26, bool), 10, 0.5, 1)
    assert found == (0.0, 0.0, False, 0.0)
    saved, later, lost, _ = run.cut(curves[::-1], np.ones(26, bool), 10, 0.5, 1)
    assert (saved, later) == pytest.approx((0.5 * 15 / 25, 15 / 25))
    assert not lost
