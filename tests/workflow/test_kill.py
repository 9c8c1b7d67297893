"""A campaign that is killed and started again ends in the undisturbed history."""

import os
import signal
import subprocess
import time

import pytest

from collinear.campaign.journal import Journal, comparable


def history_of(workspace):
    return comparable(Journal(workspace.results() / "history"))


def slow(config, seconds=0.3):
    application = config["application"] | {
        "settings": config["application"]["settings"] | {"seconds": seconds}
    }
    return config | {"application": application}


def n_trials(workspace):
    return len(list(workspace.results().glob("trials/*/seed*/work/settings.json")))


def kill_when(process, condition, whole_group):
    deadline = time.monotonic() + 120
    while process.poll() is None and not condition():
        assert time.monotonic() < deadline, "the campaign made no progress"
        time.sleep(0.02)
    if process.poll() is None:
        if whole_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


@pytest.fixture
def undisturbed(workspace, config):
    workspace.write(slow(config))
    assert workspace.run().returncode == 0
    rows = history_of(workspace)
    subprocess.run(["rm", "-r", workspace.results(), workspace.folder / ".snakemake"])
    return rows


def test_kill_at_any_point_ends_in_the_same_history(workspace, config, undisturbed):
    workspace.write(slow(config))
    # In the first batch, with programs that live on; then later with everything dead.
    for count, whole_group in [(2, False), (6, True), (9, False)]:
        process = workspace.start()
        kill_when(process, lambda n=count: n_trials(workspace) >= n, whole_group)
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    assert history_of(workspace) == undisturbed
    for path in workspace.results().glob("trials/*/seed*/work/metrics.json"):
        finished = (path.parent / "attempts.jsonl").read_text().count('"exit_code": 0')
        assert finished <= 1, f"{path} was trained twice"


def test_interrupt_stops_and_the_same_command_continues(workspace, config):
    workspace.write(slow(config))
    process = workspace.start()
    deadline = time.monotonic() + 120
    while n_trials(workspace) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    # Rarely, Snakemake calls an interrupted run a success; then our last line says it.
    code = process.wait(timeout=120)
    said = (workspace.folder / "stdout.txt").read_text()
    assert code != 0 or "is not finished" in said or "Report:" in said
    done = workspace.run()
    assert done.returncode == 0, done.stderr
    assert len(history_of(workspace)) == config["max_trials"]


def test_second_start_beside_a_running_one_is_refused(workspace, config):
    workspace.write(slow(config, seconds=20))
    process = workspace.start()
    try:
        deadline = time.monotonic() + 60
        while not (workspace.results() / "settings.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        done = workspace.run()
        assert done.returncode != 0
        assert f"process {process.pid}" in done.stderr
        assert "is running this campaign" in done.stderr
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
