"""The download rule: part of the campaign only when its path is asked for."""

from __future__ import annotations

import copy

import pytest

MODEL = "resources/downloads/ma/model.mat"


@pytest.fixture
def with_model(config):
    """The stand-in campaign, scored with the downloaded model."""
    changed = copy.deepcopy(config)
    changed["application"]["scoring"] = {"ma_model": MODEL}
    return changed


def test_only_a_campaign_that_names_the_path_downloads(workspace, config, with_model):
    workspace.write(config)
    assert "ma_model" not in workspace.run("-n").stdout
    workspace.write(with_model)
    done = workspace.run("-n")
    assert done.returncode == 0, done.stderr
    assert "ma_model" in done.stdout
    elsewhere = copy.deepcopy(with_model)
    elsewhere["application"]["scoring"]["ma_model"] = "mine/model.mat"
    workspace.write(elsewhere)
    assert "ma_model" not in workspace.run("-n").stdout


@pytest.mark.slow
def test_a_failed_download_stops_before_the_first_training(
    workspace, with_model, monkeypatch
):
    # Nothing listens there, so no request leaves this machine.
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    workspace.write(with_model)
    done = workspace.run()
    message = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Ma's model cannot be downloaded" in message
    assert "or choose another objective, such as niqe" in message
    assert not (workspace.results() / "pretrain").exists()


def test_a_model_that_is_there_is_not_downloaded(workspace, with_model):
    path = workspace.folder / MODEL
    path.parent.mkdir(parents=True)
    path.write_bytes(b"the rule's check is in tests/unit/quality")
    workspace.write(with_model)
    done = workspace.run("-n")
    assert done.returncode == 0, done.stderr
    assert "rule ma_model" not in done.stdout


@pytest.mark.slow
def test_a_model_that_is_added_later_trains_nothing(workspace, config, with_model):
    for campaign in (config, with_model):
        campaign["max_trials"] = 2
    workspace.write(config)
    assert workspace.run().returncode == 0
    path = workspace.folder / MODEL
    path.parent.mkdir(parents=True)
    path.write_bytes(b"the rule's check is in tests/unit/quality")
    workspace.write(with_model)
    done = workspace.run("-n")
    assert "rule score" in done.stdout
    assert "rule pretrain" not in done.stdout
    assert "rule finetune" not in done.stdout
