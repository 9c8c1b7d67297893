"""Every bad input gets one clear message before anything runs."""

import copy
import math
from datetime import date
from pathlib import Path

import pytest

from collinear.campaign.config import load_campaign
from collinear.campaign.digests import training_digest
from collinear.campaign.schema import ConfigError, load_schema

REPOSITORY = Path(__file__).parents[2]
SCHEMA = load_schema(REPOSITORY / "workflow/schemas/config.schema.yaml")


def changed(config, path, value):
    """A copy with one key set; the path is dotted."""
    result = copy.deepcopy(config)
    *parents, last = path.split(".")
    section = result
    for parent in parents:
        section = section.setdefault(parent, {})
    section[last] = value
    return result


CASES = [
    ("lane", 2, ["unknown key 'lane'", "'lanes'"]),
    ("application.finetun", [], ["application", "'finetun'", "'finetune'"]),
    ("space.a", ["1e-6", 1.0], ["space.a.0", "1.0e-6"]),
    ("space.a", [2.0, 1.0], ["'a'", "ascend"]),
    ("space.a", [1.0, 1.0], ["'a'", "ascend"]),
    ("space.a", [], ["space.a"]),
    ("limits", {"rmse": 0}, ["limits.rmse", "greater than 0", "0"]),
    ("limits", {"rsme": 12.0}, ["limits.rsme", "['niqe', 'rmse']"]),
    ("objective", "perceptual_index", ["objective", "'perceptual_index'"]),
    ("strategy", {"name": "levelled", "p": 1}, ["strategy", "p"]),
    ("strategy", {"name": "bayes"}, ["strategy", "bayes"]),
    ("lanes", 2, ["lanes", "levelled", "lanes: 1"]),
    ("conventional", {"a": 1.0}, ["conventional", "['a', 'b']"]),
    ("max_trials", 0, ["max_trials"]),
    ("prepare", {"profil": True}, ["prepare", "'profil'", "'profile'"]),
    ("prepare", {"profile": True}, ["prepare.profile", "application.profile"]),
    ("prepare", {"tune_minibatch": 1}, ["prepare.tune_minibatch"]),
    ("application.settings", {"lr": {1: 0.1}}, ["settings.lr", "1", "a number"]),
    ("application.settings", {True: 1}, ["settings", "True", "a truth value"]),
    ("application.settings", {"x": date(2024, 1, 1)}, ["settings.x", "2024-01-01"]),
    ("application.settings", {"x": [1.0, math.nan]}, ["settings.x.1", "finite"]),
    ("limits", {"rmse": [12.0, math.inf]}, ["limits.rmse.1", "finite", "inf"]),
    ("stop", {"hours": math.inf}, ["stop.hours", "finite", "inf"]),
    ("conventional", {"a": math.nan, "b": 1.0}, ["conventional.a", "finite"]),
    ("space", {"niqe": [1.0], "b": [1.0]}, ["space", "application.values", "'niqe'"]),
    ("space", {"seed": [1, 2], "b": [1.0]}, ["space", "column 'seed'"]),
    ("application.values", ["niqe", "rmse", "status"], ["values", "column 'status'"]),
]


@pytest.mark.parametrize(("path", "value", "words"), CASES)
def test_refused_with_a_clear_message(config, path, value, words):
    with pytest.raises(ConfigError) as caught:
        load_campaign(changed(config, path, value), SCHEMA)
    for word in words:
        assert word in str(caught.value)


def test_whole_numbers_may_have_a_point(config):
    whole = {"seed": 7.0, "threads": 1.0, "lanes": 1.0, "batch": 8.0, "max_trials": 9.0}
    found = load_campaign(config | whole, SCHEMA)
    for name, value in whole.items():
        assert getattr(found, name) == value
        assert isinstance(getattr(found, name), int)
    assert training_digest(found) == training_digest(load_campaign(config, SCHEMA))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        CASES[0],
        ("application.settings.seconds", -1, ["seconds", "negative"]),
    ],
)
def test_start_stops_with_the_message_and_nothing_else(
    workspace, config, path, value, words
):
    workspace.write(changed(config, path, value))
    done = workspace.run("-n")
    assert done.returncode != 0
    message = done.stdout + done.stderr
    assert "Traceback" not in message
    for word in words:
        assert word in message
    assert not workspace.results().exists()


def test_unwritable_results_folder(workspace, config):
    workspace.write(config)
    (workspace.folder / "results").write_text("a file where the folder should be")
    done = workspace.run("-n")
    assert done.returncode != 0
    assert "results cannot be written" in done.stdout + done.stderr


def test_program_that_is_not_there(workspace, config):
    workspace.write(changed(config, "application.check", ["no_such_program"]))
    done = workspace.run("-n")
    assert "cannot start 'no_such_program'" in done.stdout + done.stderr


def test_started_campaign_is_checked_again(workspace, config):
    """Scores and limits may change after the start, and be wrong then."""
    workspace.write(config)
    assert workspace.run("--until", "pretrain").returncode == 0
    workspace.write(changed(config, "application.check", ["no_such_program"]))
    done = workspace.run("-n")
    assert "cannot start 'no_such_program'" in done.stdout + done.stderr
