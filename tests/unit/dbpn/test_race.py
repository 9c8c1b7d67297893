"""Variants of a pretraining: measured the same, continued bit for bit."""

import json
import shutil

import pytest
import torch

from collinear.dbpn.__main__ import main
from collinear.dbpn.commands import run_stage
from collinear.dbpn.race import Marks, run_variant
from collinear.dbpn.race_plan import RacePlan
from collinear.dbpn.section import ConfigError
from collinear.dbpn.state import StateError
from collinear.dbpn.task import Task
from collinear.dbpn.trainer import Trainer

PLAN = RacePlan(iterations=12)


@pytest.fixture
def settings(tiny, folders, scoring):
    def make(**changes):
        pretrain = {"iterations": 18, "decay_at": [0.8], **changes}
        return tiny(
            {"data": folders, "pretrain": pretrain, "save_every": 5}, scoring=scoring
        )

    return make


@pytest.fixture
def race(settings, tmp_path):
    def run(name, plan=PLAN, should_stop=lambda: False, **changes):
        out = tmp_path / name
        over = run_variant(
            settings(**changes), plan, seed=1, out=out, patch=8, should_stop=should_stop
        )
        return json.loads((out / "race.json").read_text()) if over else None

    return run


@pytest.fixture
def pretrain(settings, tmp_path):
    def run(name, **changes):
        out = tmp_path / name
        assert run_stage("pretrain", settings(**changes), seed=1, out=out)
        return json.loads((out / "metrics.json").read_text())

    return run


STPT = {
    "learning_rate_policy": "stpt",
    "decay_at": None,
    "stpt": {"every": 6, "alpha": 4, "candidates": "wide", "most": 0.02},
}


@pytest.mark.parametrize(
    "changes",
    [{}, {"learning_rate": 5e-3, "loss": "l1"}, {"ema": 0.9, "patch": 6}, STPT],
    ids=["plain", "rate", "average", "stpt"],
)
def test_a_pretraining_that_goes_on_from_its_race_is_the_plain_one(
    race, pretrain, tmp_path, changes
):
    """Also where the race ends inside a search for the learning rate (13 is)."""
    plan = RacePlan(iterations=13)
    found = race("variant", plan, **changes)
    assert found["status"] == "done"
    assert len(found["losses"]) == 13
    assert found["longest"] == 18
    shutil.copytree(tmp_path / "variant", tmp_path / "continued")
    (tmp_path / "continued/race.json").unlink()
    continued, plain = pretrain("continued", **changes), pretrain("plain", **changes)
    assert continued["digests"] == plain["digests"]
    curves = [(tmp_path / n / "curve.tsv").read_text() for n in ("continued", "plain")]
    assert curves[0] == curves[1]


@pytest.mark.parametrize("after", [1, 3, 7, 11])
def test_an_interrupted_variant_shows_the_same_losses(race, after):
    whole, calls = race("whole"), []

    def interrupt():
        calls.append(1)
        return len(calls) == after

    assert race("broken", should_stop=interrupt) is None
    again = race("broken")
    assert again["losses"] == whole["losses"]
    assert again["seconds"] > 0
    assert race("broken") == again, "a finished one is found finished"


def test_the_measure_is_the_same_for_every_variant(settings, pairs):
    """Whatever loss, patch or minibatch they train with: before the first update."""
    found = []
    for changes in ({}, {"loss": "l1", "w_mse": 7.0}, {"patch": 6, "minibatch": 1}):
        task = Task("pretrain", settings(**changes), 1, pairs, "")
        trainer = Trainer(task, torch.device("cpu"))
        marks = Marks((0, 1), trainer, 8)
        trainer.step = 1
        marks.update(trainer)
        found.append([loss for _, loss, _ in trainer.marks])
    assert found[0] == found[1] == found[2]


def test_long_races_are_measured_at_even_intervals(settings):
    stage = settings(iterations=1000).pretrain
    assert RacePlan(iterations=205).steps(stage, 3) == tuple(range(10, 206, 10))
    assert RacePlan(epochs=100.0).steps(stage, 3)[-1] == 147  # of 150 updates


def test_a_diverged_variant_says_so(race):
    found = race("wild", learning_rate=1e30)
    assert found["status"] == "diverged"
    assert "not finite" in found["reason"]
    assert len(found["losses"]) < 12


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (RacePlan(iterations=18), "must be shorter than the pretraining, which has 18"),
        (RacePlan(epochs=500), "must be shorter"),
        (RacePlan(iterations=4), "a curve needs 5 or more"),
    ],
)
def test_a_part_that_says_nothing_is_refused(race, plan, said):
    with pytest.raises(ConfigError, match=said):
        race("bad", plan)


def test_a_folder_of_another_race_is_refused(race):
    race("variant")
    with pytest.raises(StateError, match="race is 'iterations 12'"):
        race("variant", RacePlan(iterations=6))


def write(path, content):
    path.write_text(json.dumps(content))
    return str(path)


def asked(tiny_mapping, folders, scoring, variants, **race):
    base = {"pretrain": {"iterations": 18}, "data": folders}
    return {
        "settings": tiny_mapping(base),
        "scoring": scoring,
        "race": {
            "variants": {
                name: tiny_mapping({**base, **changes})
                for name, changes in variants.items()
            },
            **(race or {"iterations": 12}),
        },
    }


FAST = {"pretrain": {"iterations": 18, "learning_rate": 4e-3}}
NAMES = ("tiny_mapping", "folders", "scoring")


@pytest.mark.parametrize(
    ("variants", "race", "said"),
    [
        ({"a": {}, "b": {"model": {"stages": 3}}}, {}, "b: changes model, but the fin"),
        ({"a": {}, "b": {"finetune": {"minibatch": 3}}}, {}, "b: changes finetune"),
        ({"a": {}, "b": {}}, {}, "b: is the same training as a"),
        (
            {"a": {}, "b": {"pretrain": {"iterations": 18, "lerning_rate": 1}}},
            {},
            "b: unknown key pretrain.lerning_rate; did you mean learning_rate?",
        ),
        ({"a": {}, "b": FAST}, {"iterations": 18}, "a: pretrain_race.iterations: must"),
        ({"a": {}, "b": FAST}, {"epochs": 900}, "a: pretrain_race: epochs 900 is"),
        ({"a": {}, "b": FAST}, {"epochs": 9, "iterations": 9}, "but got both"),
        (
            {"a": {}, "b": {"pretrain": {"iterations": 18, "patch": 1000}}},
            {},
            "for patch 1000",
        ),
    ],
)
def test_bad_variants_are_refused_by_check(
    request, capsys, tmp_path, variants, race, said
):
    given = [request.getfixturevalue(name) for name in NAMES]
    path = write(tmp_path / "in.json", asked(*given, variants, **race))
    assert main(["check", "--config", path]) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1


def test_good_variants_pass(request, capsys, tmp_path):
    given = [request.getfixturevalue(name) for name in NAMES]
    bf16 = {"precision": "bf16"}
    content = asked(*given, {"base": {}, "fast": FAST, "bf16": bf16})
    path = write(tmp_path / "in.json", content)
    assert main(["check", "--config", path]) == 0
    assert capsys.readouterr().out.startswith("ok")


def test_the_command_runs_a_variant(request, tmp_path, monkeypatch):
    given = [request.getfixturevalue(name) for name in NAMES]
    content = asked(*given, {})
    content["race"] = {"iterations": 6, "settings": content["settings"]}
    path = write(tmp_path / "in.json", content)
    words = ["pretrain-variant", "--config", path, "--seed", "1"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out/race.json").read_text())
    assert len(found["losses"]) == 6
    assert (tmp_path / "out/state.pt").exists()
    given = ["--out", str(tmp_path / "other"), "--iterations", "7"]
    assert main([*words, *given]) == 0
    found = json.loads((tmp_path / "other/race.json").read_text())
    assert len(found["losses"]) == 7
