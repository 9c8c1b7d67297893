"""A race of pretrainings in the workflow: its jobs, its choice, its end in one."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from collinear.campaign.files import read_json

VARIANTS = {
    "base": {},
    "deep": {"variant.level": 0.2, "variant.pace": 8.0, "variant.seconds": 3.0},
    "wild": {"variant": {"pace": 0}},
}


@pytest.fixture
def raced(config):
    application = config["application"]
    command = application["finetune"][:-1]
    application["pretrain_variant"] = [*command, "variant"]
    application["settings"]["variant"] = {"level": 1.0, "pace": 3.0}
    race = {"variants": VARIANTS, "epochs": 12, "rank_by": "prediction"}
    config["pretrain_race"] = race
    return config | {"batch": 2, "max_trials": 2}


def shown(done):
    return done.stdout + done.stderr


def starts(folder):
    return (folder / "work/starts.txt").read_text().split()


def test_the_first_dry_run_shows_the_race(workspace, raced):
    workspace.write(raced)
    done = workspace.run("-n")
    assert done.returncode == 0, done.stderr
    said = shown(done)
    for name in VARIANTS:
        assert f"pretrain/race/{name}/race.json" in said
    assert "rule pretrain_race:" in said
    assert not (workspace.results() / "pretrain").exists()


def test_without_it_no_job_is_more(workspace, config):
    workspace.write(config)
    done = workspace.run("-n")
    assert done.returncode == 0, done.stderr
    for trace in ("pretrain_variant", "pretrain_race", "/race/"):
        assert trace not in shown(done)


@pytest.mark.slow
def test_the_best_goes_on_and_the_report_says_why(workspace, raced):
    workspace.write(raced)
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    root = workspace.results()
    choice = read_json(root / "pretrain/race/choice.json")
    assert (choice["winner"], choice["by"]) == ("deep", "prediction")
    assert [row["name"] for row in choice["ranking"]] == ["deep", "base", "wild"]
    # The pretraining had the winner's settings, and the state that it left.
    weights = json.loads((root / "pretrain/weights.pt").read_text())
    assert weights["variant"]["level"] == 0.2
    assert (
        weights["raced"] == read_json(root / "pretrain/race/deep/race.json")["losses"]
    )
    # The fine-tunes keep the settings as they are.
    (trial, *_) = root.glob("trials/*/seed1/work/settings.json")
    assert read_json(trial)["settings"]["variant"] == {"level": 1.0, "pace": 3.0}
    page = (root / "report/index.html").read_text()
    assert "deep is predicted to have 0.2" in page
    assert "race.svg" in page
    assert "deep (goes on)" in (root / "report/race.svg").read_text()
    table = (root / "report/race.tsv").read_text().splitlines()
    assert table[1].startswith("1\tdeep\tvariant.level 0.2")
    assert table[3].split("\t")[3] == "diverged"
    again = workspace.run("-n")
    assert "Nothing to be done" in shown(again)
    # The choice stands when Snakemake makes its file once more, and nothing runs twice.
    done = workspace.run("--forcerun", "pretrain_race", "--until", "pretrain")
    assert done.returncode == 0, done.stderr
    assert read_json(root / "pretrain/race/choice.json") == choice
    assert starts(root / "pretrain/race/deep") == ["variant"]
    assert starts(root / "pretrain") == ["variant", "pretrain"]
    assert "rule finetune" not in shown(workspace.run("-n"))


@pytest.mark.slow
def test_a_killed_race_goes_on_and_ends_alike(workspace, raced):
    raced["application"]["settings"]["variant"]["wait"] = 0.2
    workspace.write(raced)
    process = workspace.start("--until", "pretrain")
    deadline = time.monotonic() + 120
    states = "pretrain/race/*/work/raced.json"
    while len(list(workspace.results().glob(states))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = workspace.run("--until", "pretrain")
    assert done.returncode == 0, done.stderr
    root = workspace.results()
    assert read_json(root / "pretrain/race/choice.json")["winner"] == "deep"
    for name in ("base", "deep"):
        assert len(read_json(root / f"pretrain/race/{name}/race.json")["losses"]) == 12
    changed = raced["pretrain_race"] | {"wall_seconds": 30}
    workspace.write(raced | {"pretrain_race": changed})
    refused = workspace.run("-n")
    assert refused.returncode != 0
    assert "training.race.wall_seconds: None -> 30" in shown(refused)


@pytest.mark.slow
def test_when_no_variant_can_go_on_the_message_says_so(workspace, raced):
    raced["pretrain_race"]["variants"] = {
        "wild": VARIANTS["wild"],
        "broken": {"variant.pace": -1},
    }
    workspace.write(raced)
    done = workspace.run("--until", "pretrain")
    assert done.returncode != 0
    log = (workspace.results() / "logs/pretrain_race.log").read_text()
    assert "no variant can go on" in log
    assert "wild diverged (NaN loss); broken failed" in log
    assert "Traceback" not in log


@pytest.mark.slow
def test_ddbpn_goes_on_from_its_race_as_if_it_had_never_stopped(workspace):
    """The weights are those of a plain pretraining with the winner's settings."""
    config = yaml.safe_load((workspace.folder / "config/smoke.yaml").read_text())
    program = config["application"]["pretrain"][:-1]
    config["application"]["pretrain_variant"] = [*program, "pretrain-variant"]
    variants = {"still": {"pretrain.learning_rate": 1.0e-7}, "base": {}}
    config["pretrain_race"] = {"variants": variants, "iterations": 12}
    workspace.write(config)
    done = workspace.run("--until", "pretrain")
    assert done.returncode == 0, done.stderr
    root = workspace.results("smoke")
    choice = read_json(root / "pretrain/race/choice.json")
    assert choice["winner"] == "base"
    assert all(len(row["losses"]) == 12 for row in choice["ranking"])
    raced = read_json(root / "pretrain/metrics.json")
    plain = workspace.folder / "plain"
    words = ["--config", "config/smoke.yaml", "--out", str(plain)]
    words += ["--seed", str(raced["identity"]["seed"])]
    subprocess.run(
        [sys.executable, "-m", "collinear.dbpn", "pretrain", *words],
        cwd=workspace.folder,
        check=True,
        capture_output=True,
    )
    assert raced["digests"] == read_json(plain / "metrics.json")["digests"]
    assert raced["iterations"] == 20
