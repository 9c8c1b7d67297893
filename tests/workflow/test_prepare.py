"""The optional measurements before the trials."""

import json
import re

import pytest


@pytest.fixture
def prepared(config):
    command = config["application"]["finetune"][:-1]
    config["application"]["profile"] = [*command, "profile"]
    config["application"]["tune_minibatch"] = [*command, "tune"]
    config["prepare"] = {"profile": True, "tune_minibatch": True}
    return config


def asked(output):
    """Minutes that each fine-tune asked for, by point, as its job was started."""
    found = {}
    for block in re.split(r"\n(?=\[)", output):
        if re.search(r"^(local)?rule finetune:", block, re.M):
            point = re.search(r"point=([\d-]+)", block).group(1)
            found[point] = int(re.search(r"runtime=(\d+)", block).group(1))
    return found


@pytest.mark.slow
def test_trials_ask_for_what_was_predicted(workspace, prepared):
    """Also the first batch, which was planned before the profile had run.

    It waits for the pretraining, and the profile comes before that.
    """
    workspace.write(prepared | {"batch": 2, "max_trials": 2})
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    root = workspace.results()
    assert json.loads((root / "prepare/cost.json").read_text())["status"] == "done"
    given = json.loads((root / "prepare/work-profile/profiled.txt").read_text())
    assert given == {"a": 5.0, "b": 5.0}, "the largest value of each axis"
    minutes = asked(done.stdout + done.stderr)
    assert minutes
    for point, value in minutes.items():
        assert value == (80 if point.startswith("0-") else 155)
    page = (root / "report/index.html").read_text()
    assert "costs.svg" in page
    assert "observed minutes" in (root / "report/costs.svg").read_text()
    assert "fastest 32; the minibatch stayed 8 (whole)" in page
    assert "trials with a predicted time" in page
    again = workspace.run("-n")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_without_prepare_nothing_is_measured(workspace, config):
    workspace.write(config)
    done = workspace.run("-n")
    assert done.returncode == 0, done.stderr
    assert "rule profile" not in done.stdout + done.stderr
    assert set(asked(done.stdout + done.stderr).values()) == {900}


def test_switching_it_on_later_repeats_no_trial(workspace, prepared):
    """The measurements are no inputs of trials: only they and the report are new."""
    later = prepared.pop("prepare")
    commands = ("profile", "tune_minibatch")
    kept = {name: prepared["application"].pop(name) for name in commands}
    prepared |= {"batch": 2, "max_trials": 2}
    workspace.write(prepared)
    first = workspace.run()
    assert first.returncode == 0, first.stderr
    prepared["prepare"] = later
    prepared["application"] |= kept
    workspace.write(prepared)
    plan = workspace.run("-n")
    shown = plan.stdout + plan.stderr
    assert "rule profile" in shown
    assert "rule finetune" not in shown
