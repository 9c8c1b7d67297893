"""Trainings that are scored at rungs, and end there when they are hopeless."""

import json

import pytest
import torch

from collinear.dbpn.__main__ import main
from collinear.dbpn.commands import run_stage
from collinear.dbpn.request import check_stopping
from collinear.dbpn.rungs import read_table
from collinear.dbpn.section import ConfigError
from collinear.dbpn.state import StateError
from collinear.training.stopping import Rung, StopTable

# Two training images and a minibatch of 2: an epoch is one update; six in all.
RUNGS = ((2.0, (1.0, 2.0)), (4.0, (3.0, 4.0)))


def table(*thresholds, run_on=False, value="rmse"):
    rungs = tuple(
        Rung(epoch, at, None if limit is None else 0.0, limit)
        for (epoch, at), limit in zip(RUNGS, thresholds, strict=True)
    )
    return StopTable(value, True, rungs, 0.0, 9, run_on)


@pytest.fixture
def settings(tiny, folders, scoring):
    return tiny({"data": folders, "save_every": 100}, scoring=scoring)


@pytest.fixture
def init(settings, tmp_path):
    run_stage("pretrain", settings, seed=1, out=tmp_path / "pretrain")
    return tmp_path / "pretrain" / "weights.pt"


@pytest.fixture
def finetune(settings, init, tmp_path):
    def run(name, stop=None, **options):
        out = tmp_path / name
        over = run_stage(
            "finetune", settings, seed=1, out=out, init=init, stop=stop, **options
        )
        return over, json.loads((out / "metrics.json").read_text()) if over else None

    return run


def weights(tmp_path, name):
    content = torch.load(tmp_path / name / "weights.pt", weights_only=True)
    return content["generator"]


def test_scores_at_rungs_change_no_number_of_a_training(finetune, tmp_path):
    finetune("plain")
    _, metrics = finetune("scored", table(None, 1e9))
    assert metrics["status"] == "done"
    assert [r["epoch"] for r in metrics["rungs"]] == [2.0, 4.0]
    assert all(len(r["scores"]) == 2 for r in metrics["rungs"])
    plain, scored = weights(tmp_path, "plain"), weights(tmp_path, "scored")
    assert all(torch.equal(plain[name], scored[name]) for name in plain)


def test_a_hopeless_training_ends_at_its_rung_and_says_why(finetune, tmp_path):
    _, metrics = finetune("stopped", table(None, 1e-3))
    assert metrics["status"] == "stopped"
    assert metrics["reason"].startswith("hopeless at epoch 4: rmse")
    assert (metrics["iterations"], metrics["planned_epochs"]) == (4, 6.0)
    assert metrics["rungs"][-1]["hopeless"]
    assert (tmp_path / "stopped/weights.pt").exists()
    assert not (tmp_path / "stopped/state.pt").exists()


def test_the_audit_runs_on_and_says_what_the_rule_said(finetune):
    _, metrics = finetune("audit", table(1e-3, 1e-3, run_on=True))
    assert (metrics["status"], metrics["iterations"]) == ("done", 6)
    assert [r["hopeless"] for r in metrics["rungs"]] == [True, True]


@pytest.mark.parametrize("after", [1, 2, 3])
def test_an_interrupted_training_decides_as_if_it_had_not_been(finetune, after):
    _, whole = finetune("whole", table(None, 1e-3))
    calls = []

    def interrupt():
        calls.append(1)
        return len(calls) == after

    over, _ = finetune("broken", table(None, 1e-3), should_stop=interrupt)
    assert not over
    _, metrics = finetune("broken", table(None, 1e-3))
    for key in ("status", "reason", "iterations", "rungs"):
        assert metrics[key] == whole[key]
    assert metrics["digests"]["weights"] == whole["digests"]["weights"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": "beauty"}, "value must be one of"),
        ({"rungs": (Rung(6.0, (6.0,), None, None),)}, "rung 6 is update 6, but must"),
        ({"rungs": (Rung(2.0, (1.9, 2.0), None, None),)}, "fall on the same update"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(finetune, change, said):
    wrong = StopTable(**{**vars(table(None, None)), **change})
    with pytest.raises(ConfigError, match=said):
        finetune("wrong", wrong)


def test_a_file_that_is_no_table_is_refused(tmp_path):
    path = tmp_path / "stop.json"
    with pytest.raises(ConfigError, match=r"--stop .*stop.json"):
        read_table(path)
    path.write_text('{"value": "niqe"}')
    with pytest.raises(ConfigError, match="a stop table must hold"):
        read_table(path)


@pytest.mark.parametrize(
    ("stopping", "images", "said"),
    [
        ({}, 2, None),
        ({"rungs": [2, 6]}, 2, "rung 6 is update 6"),
        ({"rungs": [2, 6]}, None, None),  # length in iterations: images are needed
        ({"every": 0.5, "scores": 3}, 2, "fall on the same update"),
        ({"value": "ma"}, None, "higher is better"),
        ({"value": "perceptual_index"}, None, "needs Ma's model"),
    ],
)
def test_a_campaign_s_rungs_are_checked_first(
    tiny_mapping, tmp_path, stopping, images, said
):
    section = {"rungs": [2, 4], "scores": 2, "every": 1, "value": "niqe"} | stopping
    content = {"settings": tiny_mapping(), "axes": {"w_mse": [0.1, 1.0]}}
    path = tmp_path / "in.json"
    path.write_text(json.dumps(content | {"stopping": section}))
    if said is None:
        check_stopping(path, images)
        return
    with pytest.raises(ConfigError, match=said):
        check_stopping(path, images)


def test_rungs_beyond_a_trial_of_a_campaign_are_refused(tiny_mapping, tmp_path, capsys):
    mapping = tiny_mapping()
    mapping["finetune"] = {"epochs": 10, "patch": 8, "minibatch": 2}
    section = {"rungs": [4], "scores": 1, "every": 1, "value": "niqe"}
    content = {"settings": mapping, "axes": {"epochs": [4, 10]}, "stopping": section}
    path = tmp_path / "in.json"
    path.write_text(json.dumps(content))
    assert main(["check", "--config", str(path), "--settings-only"]) == 2
    assert "the last is 4 and finetune has 4 epochs" in capsys.readouterr().err


def test_a_pretraining_has_no_stop_table(tmp_path):
    with pytest.raises(SystemExit):
        main(["pretrain", "--config", "x", "--out", "y", "--stop", "z"])


def test_scores_of_one_value_are_not_judged_as_another(finetune):
    over, _ = finetune(
        "mixed", table(None, 1e9), should_stop=iter([False, True]).__next__
    )
    assert not over
    with pytest.raises(StateError, match=r"judges by niqe, but .* scored by rmse"):
        finetune("mixed", table(None, 1e9, value="niqe"))
    assert finetune("mixed", table(None, 1e9))[1]["status"] == "done"


@pytest.mark.parametrize(
    ("stopping", "said"),
    [
        ({"rungs": 3}, "stopping.rungs must be a list, but got 3"),
        ({"rungs": ["a"]}, "stopping.rungs must be numbers"),
        ({"value": None}, "stopping.value is needed"),
        ({"scores": "x"}, "stopping.scores must be a number"),
    ],
)
def test_malformed_rungs_are_told(tiny_mapping, tmp_path, stopping, said):
    given = {"rungs": [2], "scores": 1, "every": 1, "value": "rmse", **stopping}
    path = tmp_path / "in.json"
    path.write_text(json.dumps({"settings": tiny_mapping(), "stopping": given}))
    with pytest.raises(ConfigError, match=said):
        check_stopping(path)
