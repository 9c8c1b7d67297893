"""A campaign that stops hopeless trials, undisturbed and killed."""

import os
import shutil
import signal
import time

import pytest

from collinear.campaign.files import read_json
from collinear.campaign.journal import Journal, comparable


def history_of(workspace):
    return comparable(Journal(workspace.results() / "history"))


def kill_at(process, workspace, trials, whole_group):
    """Kill a campaign once so many trials have begun."""
    begun, deadline = 0, time.monotonic() + 120
    while process.poll() is None and begun < trials:
        assert time.monotonic() < deadline, "the campaign made no progress"
        begun = len(list(workspace.results().glob("trials/*/seed*/work/settings.json")))
        time.sleep(0.02)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL) if whole_group else process.kill()
    process.wait()


@pytest.fixture
def stopping(config):
    application = config["application"] | {
        "settings": {"noise": 0.1, "epochs": 8, "epoch_seconds": 0.02}
    }
    return config | {
        "application": application,
        "strategy": {"name": "random"},
        "batch": 5,
        "max_trials": 10,
        "conventional": {"a": 0.0, "b": 0.0},
        "stopping": {"rungs": [3, 6], "scores": 2, "audit": 0.25, "least": 4},
    }


def files_of(workspace, name):
    return {
        path.parts[-4]: read_json(path)
        for path in sorted(workspace.results().glob(f"trials/*/seed*/work/{name}"))
    }


def outcomes(workspace):
    """All that a stop rule decides: the tables, and what became of each trial."""
    return files_of(workspace, "stop.json"), files_of(workspace, "metrics.json")


def test_hopeless_trials_stop_and_a_killed_campaign_stops_the_same(workspace, stopping):
    workspace.write(stopping)
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    expected, history = outcomes(workspace), history_of(workspace)
    tables, metrics = expected
    stopped = [name for name, m in metrics.items() if m["status"] == "stopped"]
    assert stopped
    for name in stopped:
        assert not tables[name]["run_on"]
        assert metrics[name]["epochs"] in (3, 6)
        assert metrics[name]["rungs"][-1]["hopeless"]
    # The conventional setting is the worst of all, and is there to be compared.
    assert metrics["0-0"]["status"] == "done"
    # A table is what the journal asked with, and the first batch had none.
    for path in workspace.results().glob("history/asked/*.json"):
        entry = read_json(path)
        for trial in entry["trials"]:
            rungs = tables[trial["point"]]["rungs"]
            first = entry["step"] == 0 or trial["point"] == "0-0"
            assert all(r["threshold"] is None for r in rungs) == first
            if not first:
                assert rungs == entry["stop"]["rungs"]
    told = {row[2]: row[4] for row in history}
    assert all(told[tuple(map(int, n.split("-")))] == "stopped" for n in stopped)
    best = read_json(workspace.results() / "estimate.json")["best"]
    assert best["status"] == "done"
    page = (workspace.results() / "report/index.html").read_text()
    assert "stopped as hopeless, which saved" in page
    rows = (workspace.results() / "report/stopping.tsv").read_text().splitlines()
    assert len(rows) > len(stopped)

    shutil.rmtree(workspace.results())
    shutil.rmtree(workspace.folder / ".snakemake")
    for count, whole_group in [(7, True)]:
        kill_at(workspace.start(), workspace, count, whole_group)
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    assert outcomes(workspace) == expected
    assert history_of(workspace) == history
