"""A pretraining whose learning rate is found by trying."""

import json
import math

import pytest
import torch

from collinear.dbpn.commands import run_stage
from collinear.dbpn.config import as_json
from collinear.dbpn.loop import train
from collinear.dbpn.section import ConfigError
from collinear.dbpn.task import Task
from collinear.dbpn.trainer import Trainer
from collinear.training.stpt import NARROW, WIDE

STPT = {"every": 6, "alpha": 2, "candidates": "wide", "least": 1e-5, "most": 0.02}


@pytest.fixture
def settings(tiny, folders, scoring):
    def make(**changes):
        pretrain = {"iterations": 18, "learning_rate_policy": "stpt", "stpt": STPT}
        chosen = {"data": folders, "pretrain": {**pretrain, **changes}}
        return tiny(chosen, scoring=scoring)

    return make


@pytest.fixture
def pretrain(settings, tmp_path):
    def run(name, should_stop=lambda: False, **changes):
        out = tmp_path / name
        over = run_stage(
            "pretrain", settings(**changes), seed=1, out=out, should_stop=should_stop
        )
        return json.loads((out / "metrics.json").read_text()) if over else None

    return run


def test_rates_are_tried_and_compound_within_their_bounds(pretrain):
    metrics = pretrain("stpt")
    assert (metrics["status"], metrics["iterations"]) == ("done", 18)
    rates = metrics["learning_rates"]
    assert [step for step, _ in rates] == [0, 6, 12]
    before = 1e-3
    for _, rate in rates:
        bounded = [min(max(before * f, 1e-5), 0.02) for f in WIDE]
        assert rate in [pytest.approx(b) for b in bounded]
        before = rate


@pytest.mark.parametrize("after", [1, 9, 17, 25, 40])
def test_an_interrupted_search_ends_in_the_same_weights(pretrain, after):
    whole, calls = pretrain("whole"), []

    def interrupt():
        calls.append(1)
        return len(calls) == after

    assert pretrain("broken", interrupt) is None
    again = pretrain("broken")
    assert again["learning_rates"] == whole["learning_rates"]
    assert again["digests"]["weights"] == whole["digests"]["weights"]


def test_the_winner_is_the_training_with_its_rate(settings, pairs):
    searched = Trainer(Task("pretrain", settings(), 1, pairs, ""), torch.device("cpu"))
    train(searched, save=lambda _: None, should_stop=lambda: searched.step == 4)
    (_, rate), stage = searched.rates[0], {"learning_rate_policy": "decay"}
    plain_settings = settings(learning_rate=rate, stpt=None, **stage)
    plain = Trainer(Task("pretrain", plain_settings, 1, pairs, ""), torch.device("cpu"))
    while plain.step < searched.step:
        plain.update()
    ours, theirs = searched.generator.state_dict(), plain.generator.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_warm_up_comes_first(pretrain):
    metrics = pretrain("warm", stpt={**STPT, "warm_up": 1, "candidates": "narrow"})
    (step, rate), *_ = metrics["learning_rates"]
    assert step == 6
    assert rate in [pytest.approx(1e-3 * f) for f in NARROW]


def test_candidates_that_diverge_are_out(pretrain, monkeypatch):
    checks = iter([math.nan] * 8)
    monkeypatch.setattr(Trainer, "check_loss", lambda _: next(checks, 1.0))
    metrics = pretrain("lost")
    assert metrics["learning_rates"][0][1] == pytest.approx(2e-4)  # the least of wide
    assert metrics["iterations"] == 18


def test_a_training_without_it_keeps_its_identity(tiny):
    assert "stpt" not in as_json(tiny().pretrain)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stpt": {"every": 5, "alpha": 6}}, "alpha 6 with 5 updates"),
        ({"stpt": {"least": 1.0}}, "0 < least <= most"),
        ({"learning_rate": 1.0}, "pretrain.learning_rate must lie within stpt.least"),
        (
            {"stpt": {"warm_up": 1, "warm_up_rate": 0.5}},
            "pretrain.stpt.warm_up_rate must lie within",
        ),
        ({"stpt": {"sets": 1}}, "unknown key pretrain.stpt.sets"),
        ({"stpt": {"candidates": "all"}}, "pretrain.stpt.candidates must be one of"),
        ({"decay_at": [0.5]}, "decay_at is not for learning_rate_policy: stpt"),
        ({"learning_rate_policy": "decay"}, "pretrain.stpt is only for"),
        ({"learning_rate_policy": "magic"}, "learning_rate_policy must be one of"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, changes, said):
    with pytest.raises(ConfigError, match=said):
        settings(**changes)
