"""Axes that change the network: a pretraining for each design, and the front."""

import pytest
import yaml

from collinear.campaign.files import read_json


@pytest.fixture
def designed(config):
    config["pretrain_axes"] = ["a"]
    space = {"a": [2.0, 3.0], "b": [2.0, 3.0]}
    strategy = {"name": "exhaustive"}
    return config | {"space": space, "strategy": strategy, "batch": 3, "max_trials": 3}


def shown(done):
    return done.stdout + done.stderr


def test_the_first_dry_run_shows_the_pretrainings_that_are_needed(workspace, designed):
    workspace.write(designed | {"batch": 2, "max_trials": 2})
    done = workspace.run("-n")
    assert done.returncode == 0, done.stderr
    said = shown(done)
    assert "pretrain/0/weights.pt" in said
    assert "pretrain/1/weights.pt" not in said, "no trial of the batch has that design"
    assert "pretrain/weights.pt" not in said


@pytest.mark.slow
def test_each_design_is_pretrained_once_and_the_report_has_the_front(
    workspace, designed
):
    designed["conventional"] = {"a": 7.0, "b": 3.0}
    workspace.write(designed)
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    root = workspace.results()
    for design, value in {"0": 2.0, "1": 3.0, "conventional": 7.0}.items():
        folder = root / "pretrain" / design
        assert read_json(folder / "work/settings.json")["params"] == {"a": value}
        assert (folder / "work/starts.txt").read_text().split() == ["pretrain"]
    starts = {
        path.parts[-4]: path.read_text().strip()
        for path in root.glob("trials/*/seed1/work/init.txt")
    }
    assert starts["0-1"].endswith("pretrain/0/weights.pt")
    assert starts["1-0"].endswith("pretrain/1/weights.pt")
    assert starts["conventional"].endswith("pretrain/conventional/weights.pt")
    header, *rows = (root / "report/speed_front.tsv").read_text().splitlines()
    assert header.split("\t")[-3:] == ["seconds_per_epoch", "feasible", "on_front"]
    assert {row.split("\t")[0] for row in rows} == {"0-0", "0-1", "1-0", "conventional"}
    assert any(row.endswith("yes\tyes") for row in rows)
    page = (root / "report/index.html").read_text()
    assert "speed_front.svg" in page
    assert "No setting is faster or better than a " in page
    assert "front" in (root / "report/speed_front.svg").read_text()
    assert "Nothing to be done" in shown(workspace.run("-n"))


@pytest.mark.slow
def test_a_design_that_diverges_takes_its_trials_with_it(workspace, designed):
    designed["application"]["settings"]["diverging"] = [3.0]
    workspace.write(designed)
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    root = workspace.results()
    lost = read_json(root / "trials/1-0/seed1/metrics.json")
    assert lost["status"] == "diverged"
    assert "the pretraining of design 1 ended as diverged (NaN loss)" in lost["reason"]
    assert not (root / "trials/1-0/seed1/work/starts.txt").exists()
    assert read_json(root / "trials/0-0/seed1/metrics.json")["status"] == "done"


@pytest.mark.slow
def test_ddbpn_networks_of_several_shapes_in_one_campaign(workspace):
    config = yaml.safe_load((workspace.folder / "config/smoke.yaml").read_text())
    config["space"] = {"learning_rate": [1.0e-4], "stages": [2, 3]}
    config["pretrain_axes"] = ["stages"]
    config["conventional"] = {"learning_rate": 1.0e-4, "stages": 3}
    config |= {"strategy": {"name": "exhaustive"}, "max_trials": 2, "limits": {}}
    workspace.write(config)
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    root = workspace.results("smoke")
    for design, stages in (("0", 2), ("1", 3)):
        metrics = read_json(root / "pretrain" / design / "metrics.json")
        assert metrics["identity"]["architecture"]["stages"] == stages
    header, *rows = (root / "report/speed_front.tsv").read_text().splitlines()
    assert "seconds_per_step" in header
    assert len(rows) == 2
    assert (root / "report/photograph.png").read_bytes().startswith(b"\x89PNG")


def test_a_network_axis_without_its_pretraining_is_refused(workspace):
    config = yaml.safe_load((workspace.folder / "config/smoke.yaml").read_text())
    config["space"]["stages"] = [2, 3]
    config["conventional"]["stages"] = 2
    workspace.write(config)
    done = workspace.run("-n")
    assert done.returncode != 0
    assert "write pretrain_axes: [stages]" in shown(done)
    config["pretrain_axes"] = ["stages", "w_style"]
    workspace.write(config)
    said = shown(workspace.run("-n"))
    assert "must be some of stages, base, feat" in said
    assert "but got 'w_style'" in said
