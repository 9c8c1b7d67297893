"""The finals of a campaign through Snakemake: journalled, resumable, on fresh seeds."""

import os
import signal
import subprocess
import time

import pytest

from collinear.campaign.files import read_json
from collinear.campaign.journal import Journal, comparable
from collinear.campaign.trials import training_seed


def history_of(workspace):
    return comparable(Journal(workspace.results() / "history"))


@pytest.fixture
def with_finals(config):
    """Three trials, two finalists with two seeds; a = 2 and the control stumble."""
    settings = {
        "noise": 0.1,
        "seconds": 0.2,
        "diverging_at": [[2.0, training_seed(7, 101)]],
        "broken_at": [[2.5, training_seed(7, 102)]],
    }
    return config | {
        "application": config["application"] | {"settings": settings},
        "space": {"a": [2.0, 3.0, 4.5, 5.0], "b": [3.0]},
        "strategy": {"name": "exhaustive"},
        "max_trials": 7,
        "finals": {"share": 0.6, "settings": 2, "seeds": 2},
        "conventional": {"a": 2.5, "b": 1.0},
    }


def kill_in_the_finals(workspace):
    process = workspace.start()
    begun = workspace.results() / "trials"
    deadline = time.monotonic() + 120
    while process.poll() is None and not list(begun.glob("*/seed101/work/*.txt")):
        assert time.monotonic() < deadline, "no finals began"
        time.sleep(0.02)
    assert process.poll() is None, "the campaign ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_finals_on_fresh_seeds_killed_repeated_and_reopened(workspace, with_finals):
    workspace.write(with_finals)
    dry = workspace.run("-n")
    assert dry.returncode == 0, dry.stderr
    assert "lanes/finals/0/candidates.tsv" in dry.stdout + dry.stderr
    kill_in_the_finals(workspace)
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    rows = history_of(workspace)
    results = workspace.results()
    estimate = read_json(results / "estimate.json")

    status = {row[2:4]: row[4] for row in rows if row[0] == "finals"}
    assert status == {
        ((1, 0), 101): "done",
        ((1, 0), 102): "done",
        ((0, 0), 101): "diverged",
        ((0, 0), 102): "done",
        ("conventional", 101): "done",
        ("conventional", 102): "failed",
    }
    assert len(rows) == 3 + len(status)
    found = estimate["finals"]
    winner, other = found["finalists"]
    assert estimate["best"]["trial"] == "1-0/seed101"
    values = [run["values"]["niqe"] for run in winner["runs"]]
    assert winner["mean"] == pytest.approx(sum(values) / 2)
    assert estimate["best"]["values"]["niqe"] == winner["mean"]
    assert winner["difference"]["n"] == 1
    assert (winner["sound"], other["sound"]) == (True, False)
    broken = read_json(results / "trials/conventional/seed102/score.json")
    assert "broken on purpose" in broken["reason"]
    assert "<h2>Finals</h2>" in (results / "report/index.html").read_text()
    assert (results / "report/finals.svg").exists()
    assert "finals: niqe" in done.stderr

    subprocess.run(["rm", "-r", results, workspace.folder / ".snakemake"], check=True)
    undisturbed = workspace.run()
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert history_of(workspace) == rows
    assert read_json(results / "estimate.json")["finals"] == found

    # Four finals were run and four are kept free: one more trial of the search.
    workspace.write(with_finals | {"max_trials": 12})
    larger = workspace.run()
    assert larger.returncode == 0, larger.stderr
    after = history_of(workspace)
    assert after[: len(rows)] == rows
    assert [row[2] for row in after[len(rows) :]] == [(3, 0)]


def test_search_without_a_feasible_setting_ends_well(workspace, with_finals):
    workspace.write(with_finals | {"limits": {"rmse": 1.0}})
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    assert "no setting kept the limits" in done.stderr + done.stdout
    results = workspace.results()
    estimate = read_json(results / "estimate.json")
    assert estimate["best"] is None
    assert "no setting kept the limits" in estimate["verdict"]
    assert "No setting kept" in (results / "report/index.html").read_text()
    entry = read_json(results / "history/asked/finals-0.json")
    assert entry["trials"] == []
    assert entry["control"] == []
