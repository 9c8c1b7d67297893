"""Campaigns through `snakemake --profile profiles/slurm` on a real Slurm."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import yaml

from collinear.campaign.journal import Journal, comparable

DEADLINE = 240


def with_seconds(config, seconds, **changes):
    application = config["application"]
    settings = application["settings"] | {"seconds": seconds}
    return config | changes | {"application": application | {"settings": settings}}


def history(workspace):
    return comparable(Journal(workspace.results() / "history"))


def wait_for(condition, process):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "the campaign made no progress"
        assert process.poll() is None, "the campaign ended too early"
        time.sleep(0.2)


def finish(process):
    assert process.wait(timeout=DEADLINE) == 0


@pytest.fixture
def undisturbed(workspace, config):
    """The history of the stand-in campaign on this machine alone."""
    workspace.write(with_seconds(config, 0, batch=4, max_trials=4))
    assert workspace.run(profile="local").returncode == 0
    rows = history(workspace)
    subprocess.run(
        ["rm", "-r", workspace.results(), workspace.folder / ".snakemake"], check=True
    )
    return rows


def test_tiny_dbpn_runs_as_jobs(workspace):
    config = yaml.safe_load((workspace.folder / "config/smoke.yaml").read_text())
    del config["conventional"]
    workspace.write(config | {"batch": 1, "max_trials": 1, "campaign": "standin"})
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    assert len(history(workspace)) == 1
    assert (workspace.results() / "report" / "index.html").exists()
    for rule in ("pretrain", "finetune", "score"):
        assert len(workspace.jobs(rule)) == 1


def test_trainings_keep_to_their_slots(workspace, config):
    """What the profile does with 50 slots and the 51st training, with 2 and a third.

    Afterwards a results file is deleted: it comes back, and nothing is trained again.
    """
    workspace.write(with_seconds(config, 6, batch=3, max_trials=3))
    process = workspace.start("--resources", "gpu=2")
    widths = set()
    while process.poll() is None:
        widths.add(len(workspace.jobs("finetune", "running,pending,completing")))
        time.sleep(0.3)
    assert process.returncode == 0
    assert max(widths) == 2
    rows, starts = history(workspace), workspace.starts()
    deleted = sorted(workspace.results().glob("trials/*/seed*/score.json"))[0]
    deleted.unlink()
    assert workspace.run().returncode == 0
    assert deleted.exists()
    assert (history(workspace), workspace.starts()) == (rows, starts)


def test_jobs_of_a_killed_campaign_are_waited_for(workspace, config, undisturbed):
    """Killed on the cluster, continued on this machine: nothing is trained twice."""
    workspace.write(with_seconds(config, 20, batch=4, max_trials=4))
    process = workspace.start()
    wait_for(lambda: len(workspace.starts()) >= 2, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    running = workspace.starts()
    done = workspace.run(profile="local")
    assert done.returncode == 0, done.stderr
    assert history(workspace) == undisturbed
    assert all(workspace.starts()[point] == 1 for point in running)


def program_of(job, workspace):
    """The training program that a job runs."""
    for process in psutil.process_iter(["cmdline"]):
        try:
            here = Path(process.cwd()) == workspace.folder
            mine = process.environ().get("SLURM_JOB_ID") == job
        except psutil.Error:
            continue
        if here and mine and any("stand_in.py" in w for w in process.cmdline()):
            return process
    raise AssertionError(f"job {job} runs no training program")


def test_whatever_ends_a_job_its_trial_goes_on(
    workspace, config, undisturbed, scontrol
):
    """Requeued as after a node failure, cancelled, preempted, killed for memory."""
    workspace.write(with_seconds(config, 15, batch=4, max_trials=4))
    process = workspace.start()
    wait_for(lambda: len(workspace.starts()) == 4, process)
    jobs = [str(number) for number in workspace.jobs("finetune", "running")]
    requeued, cancelled, preempted, out_of_memory = jobs
    program_of(out_of_memory, workspace).kill()
    scontrol("scontrol", "requeue", requeued)
    # Slurm waits two minutes before a requeued job may start.
    wait_for(lambda: int(requeued) in workspace.jobs("finetune", "pending"), process)
    scontrol("scontrol", "update", f"JobId={requeued}", "StartTime=now")
    scontrol("scancel", cancelled)
    scontrol("scancel", "--signal=TERM", preempted)
    finish(process)
    assert history(workspace) == undisturbed
    assert min(workspace.starts().values()) >= 2, "a trial was not disturbed at all"
    # The requeued job went on itself: it cost its trial no attempt. The others were
    # submitted once more, and ask for more.
    asked = [workspace.memory(number) for number in workspace.jobs("finetune")]
    assert len(asked) == 7
    assert len(set(asked[:4])) == 1
    assert min(asked[4:]) > asked[0]


def test_a_job_out_of_time_is_tried_again(workspace, config):
    """A real TIMEOUT: the limit is a minute, and only the first attempt needs more."""
    config = with_seconds(config, 0, batch=1, max_trials=1)
    config["application"]["settings"]["first_seconds"] = 300
    workspace.write(config)
    done = workspace.run("--set-resources", "finetune:runtime=1")
    assert done.returncode == 0, done.stderr
    assert list(workspace.starts().values()) == [2]
    assert [row[4] for row in history(workspace)] == ["done"]


def test_sacct_tells_the_status_where_accounts_are_kept(workspace, config):
    """Start the cluster with SLURM_ACCOUNTING=1 for this test."""
    asked = ["sacctmgr", "--noheader", "list", "cluster"]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("this Slurm keeps no accounts (SLURM_ACCOUNTING=1 starts one)")
    workspace.write(with_seconds(config, 0, batch=1, max_trials=1))
    done = workspace.run("--slurm-status-command", "sacct")
    assert done.returncode == 0, done.stderr
    assert len(history(workspace)) == 1
    lines = subprocess.run(
        ["sacct", "-n", "-X", "-o", "State"], capture_output=True, text=True, check=True
    )
    assert "COMPLETED" in lines.stdout
