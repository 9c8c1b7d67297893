"""The smoke campaign: the real D-DBPN from pretraining to report."""

import os
import signal
import time

import pytest

from collinear.campaign.files import read_json
from collinear.campaign.journal import Journal, comparable

pytestmark = pytest.mark.slow
SMOKE = "config/smoke.yaml"


def history_of(workspace):
    return comparable(Journal(workspace.results("smoke") / "history"))


def kill_when(workspace, pattern, count):
    """Starts the campaign and kills everything when so many files are there."""
    process = workspace.start(configfile=SMOKE)
    deadline = time.monotonic() + 300
    while len(list(workspace.results("smoke").glob(pattern))) < count:
        assert process.poll() is None, "the campaign ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_campaign_trains_scores_decides_and_reports(finished_smoke):
    finished = finished_smoke
    root = finished.results("smoke")
    assert len(history_of(finished)) == 6
    estimate = read_json(root / "estimate.json")
    assert estimate["objective"] == "niqe"
    assert estimate["conventional"]["trial"] == "conventional/seed1"
    assert 2.0 < estimate["best"]["values"]["niqe"] < 12.0
    score = read_json(root / "trials" / estimate["best"]["trial"] / "score.json")
    assert score["scorer"] == "perceptual-index pirm-1"
    metrics = root / "trials" / estimate["best"]["trial"] / "metrics.json"
    assert "random_vgg19" in metrics.read_text()
    for name in ("history", "tradeoff", "lines", "jobs"):
        assert (root / "report" / f"{name}.svg").read_text().startswith("<?xml")
    assert (root / "report/photograph.png").read_bytes().startswith(b"\x89PNG")
    page = (root / "report/index.html").read_text()
    assert estimate["verdict"] in page

    again = finished.run(configfile=SMOKE)
    assert "Nothing to be done" in again.stdout + again.stderr
    report = finished.run("--report", "report.html", configfile=SMOKE)
    assert report.returncode == 0, report.stderr
    assert (finished.folder / "report.html").stat().st_size > 100_000


def test_killed_campaign_ends_in_the_history_of_an_undisturbed_one(
    workspace, finished_smoke
):
    kill_when(workspace, "pretrain/work/state.pt", 1)  # in the pretraining
    kill_when(workspace, "trials/*/seed1/work/settings.json", 2)  # in a fine-tune
    kill_when(workspace, "trials/*/seed1/score.json", 3)  # between two batches
    done = workspace.run(configfile=SMOKE)
    assert done.returncode == 0, done.stderr
    assert history_of(workspace) == history_of(finished_smoke)
