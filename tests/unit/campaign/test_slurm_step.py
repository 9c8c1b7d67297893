"""A job whose `slurmstepd` is gone saves its training and is cancelled."""

import os
import subprocess
import sys
import time

import pytest

from collinear.campaign import slurm_step
from collinear.campaign.slurm_step import find_holders, watched

SAVES_AT_SIGTERM = """
import signal, sys, time
def save(number, frame):
    open(sys.argv[1], "w").write("saved")
    sys.exit(75)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(60)
"""


def command(path, script):
    """A command of the pretended Slurm."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def node(tmp_path, monkeypatch):
    """Pretended processes of a node, with job 62 in two steps beside another job."""
    titles = {7: "[62.batch]", 8: "[62.0]", 9: "[629.0]"}
    for number, title in titles.items():
        (tmp_path / "proc" / str(number)).mkdir(parents=True)
        text = f"slurmstepd: {title}\0\0"
        (tmp_path / "proc" / str(number) / "cmdline").write_text(text)
    (tmp_path / "proc" / "self").mkdir()
    command(tmp_path / "scancel", f'echo "$@" >> {tmp_path}/cancelled')
    command(tmp_path / "squeue", "echo 'RUNNING             0      '")
    monkeypatch.setattr(slurm_step, "PROCESSES", tmp_path / "proc")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "62")
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    return tmp_path


def test_only_the_steps_of_this_job_are_watched(node):
    assert [path.parent.name for path in find_holders("62")] == ["7", "8"]


@pytest.mark.parametrize("gone", ["7", "8"])
def test_a_lost_step_ends_the_training_and_the_job(node, gone):
    program = subprocess.Popen(
        [sys.executable, "-c", SAVES_AT_SIGTERM, str(node / "state")],
        stdout=subprocess.PIPE,
    )
    with program, watched(program.terminate, pause=0.02):
        assert program.stdout.readline() == b"ready\n"
        (node / "proc" / gone / "cmdline").unlink()
        assert program.wait(timeout=30) == 75
    assert (node / "state").read_text() == "saved"
    assert (node / "cancelled").read_text() == "62\n"


def test_a_step_that_is_lost_just_before_the_end_is_seen(node):
    with watched(pytest.fail, pause=60.0):
        (node / "proc" / "8" / "cmdline").write_text("another program\0")
    assert (node / "cancelled").read_text() == "62\n"


def test_a_training_that_ends_by_itself_is_left_alone(node):
    with watched(pytest.fail, pause=0.01):
        time.sleep(0.1)
    assert not (node / "cancelled").exists()


@pytest.mark.parametrize("hidden", [True, False])
def test_nothing_is_watched_outside_of_slurm_or_unseen(node, monkeypatch, hidden):
    if hidden:
        monkeypatch.setattr(slurm_step, "PROCESSES", node / "empty")
    else:
        monkeypatch.delenv("SLURM_JOB_ID")
    with watched(pytest.fail, pause=0.01):
        (node / "proc" / "8" / "cmdline").unlink()
        time.sleep(0.1)
    assert not (node / "cancelled").exists()


@pytest.mark.parametrize(
    ("starts", "answer"),
    [
        ("0", "echo 'COMPLETING          1'"),  # requeued, as by preemption
        ("0", "echo 'PENDING             1'"),
        ("0", "echo 'RUNNING             1'"),  # it runs again, and not here
        ("0", "true"),  # ended and forgotten
        ("0", "echo 'RUNNING 0'; exit 1"),
        ("1", "echo 'RUNNING             0'"),
    ],
)
def test_a_job_that_slurm_has_let_go_of_is_not_cancelled(
    node, monkeypatch, starts, answer
):
    monkeypatch.setenv("SLURM_RESTART_COUNT", starts)
    command(node / "squeue", answer)
    with watched(pytest.fail, pause=60.0):
        (node / "proc" / "7" / "cmdline").unlink()
    assert not (node / "cancelled").exists()


def test_a_requeued_job_that_loses_a_step_is_cancelled(node, monkeypatch):
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    command(node / "squeue", "echo 'RUNNING             1'")
    with watched(pytest.fail, pause=60.0):
        (node / "proc" / "7" / "cmdline").unlink()
    assert (node / "cancelled").read_text() == "62\n"


def test_a_node_without_scancel_raises_nothing(node):
    (node / "scancel").unlink()
    with watched(pytest.fail, pause=60.0):
        (node / "proc" / "8" / "cmdline").unlink()
