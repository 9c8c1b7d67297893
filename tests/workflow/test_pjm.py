"""profiles/pjm against pretended commands of Fujitsu's PJM."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from collinear.campaign.journal import Journal, comparable

PROFILE = Path(__file__).parents[2] / "profiles" / "pjm"
PRETENDED = Path(__file__).parent / "pjm" / "pretended.py"


def load(name):
    spec = importlib.util.spec_from_file_location(f"pjm_{name}", PROFILE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pjm(tmp_path, monkeypatch):
    """The folder of a pretended PJM whose commands come first on the path."""
    folder, state = tmp_path / "pjm-bin", tmp_path / "pjm-state"
    folder.mkdir()
    state.mkdir()
    shutil.copy(PRETENDED.with_name("pjdel"), folder)
    (folder / "pjdel").chmod(0o755)
    for name in ("pjsub", "pjstat"):
        shutil.copy(PRETENDED, folder / name)
        text = (folder / name).read_text()
        (folder / name).write_text(f"#!{sys.executable}\n{text}")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PRETENDED_PJM", str(state))
    return state


def submitted(pjm):
    """The words of pjsub of every job, in the order of submission."""
    return [json.loads(p.read_text()) for p in sorted(pjm.glob("*.json"))]


@pytest.fixture
def submit(tmp_path, pjm):
    def run(script, *words):
        path = tmp_path / f"job{len(list(tmp_path.glob('*.sh')))}.sh"
        path.write_text(script)
        program = [sys.executable, str(PROFILE / "submit.py"), *words, str(path)]
        return subprocess.run(
            program, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


WORDS = ("--rscgrp", "cx-share", "--name", "finetune", "--gpu", "1", "--minutes", "90")


def status(folder, number):
    words = [sys.executable, str(PROFILE / "status.py"), number]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def ended(folder, number):
    deadline = time.monotonic() + 30
    while (found := status(folder, number)) == "running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_a_job_is_submitted_followed_and_logged(submit, pjm, tmp_path):
    number = submit("echo hello; sleep 1", *WORDS, "--group", "abc").stdout.strip()
    assert submitted(pjm) == [
        [
            "-L",
            "rscgrp=cx-share,elapse=1:30:00,gpu=1",
            "-N",
            "collinear-finetune",
            "-j",
            "-o",
            ".snakemake/pjm/%j.log",
            "-g",
            "abc",
            str(tmp_path / "job0.sh"),
        ]
    ]
    assert status(tmp_path, number) == "running"
    assert ended(tmp_path, number) == "success"
    assert (tmp_path / f".snakemake/pjm/{number}.log").read_text() == "hello\n"


def test_a_broken_a_late_and_a_deleted_job_have_failed(submit, tmp_path):
    broken = submit("exit 3", *WORDS).stdout.strip()
    late = submit("sleep 60", *WORDS[:-1], "1").stdout.strip()
    deleted = submit("sleep 60", *WORDS).stdout.strip()
    subprocess.run(["pjdel", deleted], check=True, capture_output=True)
    assert [ended(tmp_path, n) for n in (broken, late, deleted)] == ["failed"] * 3


def test_a_refused_job_says_why(submit):
    done = submit("true", "--rscgrp", "cx-rare", *WORDS[2:])
    assert done.returncode != 0
    assert "pjsub refused pjsub -L rscgrp=cx-rare" in done.stderr


def test_without_pjm_the_message_names_the_profile(tmp_path):
    for name, words in (("submit", [*WORDS, "x"]), ("status", ["1"])):
        done = subprocess.run(
            [sys.executable, str(PROFILE / f"{name}.py"), *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": str(tmp_path)},
        )
        assert done.returncode != 0
        assert "profiles/pjm is for clusters under PJM" in done.stderr


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("JOB_ID ST EC\n12 RUN -\n", ("RUN", "-")),
        ("  JOB_ID     ST   EC\n  12 EXT 0\n  121 CCL -\n", ("EXT", "0")),
        ("JOB_ID ST EC\n121 EXT 0\n", None),
        ("ACCEPT QUEUED\n 0 12\nJOB_ID ST EC\n12 QUE\n", ("QUE", "-")),
        ("", None),
    ],
)
def test_tables_are_read_by_their_headings(table, expected):
    assert load("status").read_table(table, "12") == expected


def test_verdicts(capsys):
    verdict = load("status").verdict
    assert verdict("EXT", "0") == "success"
    assert {verdict(*e) for e in [("EXT", "1"), ("CCL", "-"), ("RJT", "-")]} == {
        "failed"
    }
    assert {verdict(state, "-") for state in ("QUE", "RUN", "HLD")} == {"running"}
    assert verdict("NEW", "-") == "running"
    assert "unknown state 'NEW'" in capsys.readouterr().err


def test_an_unknown_job_is_waited_for_before_it_has_failed(pjm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = load("status")
    assert module.status("77", 1000.0) == "running"
    assert module.status("77", 1000.0 + module.MISSING_SECONDS) == "running"
    assert module.status("77", 1001.0 + module.MISSING_SECONDS) == "failed"


def test_a_silent_pjstat_is_asked_again(pjm, tmp_path, monkeypatch):
    (tmp_path / "pjm-bin" / "pjstat").write_text("#!/bin/sh\nexit 1\n")
    monkeypatch.chdir(tmp_path)
    module = load("status")
    assert module.status("77", 0.0) == module.status("77", 1e9) == "running"


FAST = ("--seconds-between-status-checks", "1", "--latency-wait", "10")


def with_seconds(config, seconds):
    application = config["application"]
    settings = application["settings"] | {"seconds": seconds}
    application = application | {"settings": settings}
    return config | {"batch": 2, "max_trials": 3, "application": application}


def test_a_campaign_runs_as_jobs_of_pjm(workspace, config, pjm):
    workspace.write(with_seconds(config, 0))
    done = workspace.run(*FAST, profile="pjm")
    assert done.returncode == 0, done.stderr
    history = comparable(Journal(workspace.results() / "history"))
    assert [row[4] for row in history] == ["done"] * 3
    # A training and its scoring share a job.
    asked = [
        dict(w.split("=") for w in words[1].split(",")) for words in submitted(pjm)
    ]
    names = [words[3] for words in submitted(pjm)]
    assert (
        sorted(names) == ["collinear-pretrain"] + ["collinear-trial_finetune_score"] * 3
    )
    assert {job["gpu"] for job in asked} == {"1"}
    assert {job["elapse"] for job in asked} == {"72:00:00", "16:00:00"}


def test_jobs_are_deleted_when_the_campaign_is_interrupted(workspace, config, pjm):
    workspace.write(with_seconds(config, 60))
    # Snakemake cancels no job that it is just asking about (it would live on, and the
    # next start waits for it): so it asks rarely here.
    rarely = ("--seconds-between-status-checks", "30")
    process = workspace.start(*rarely, profile="pjm")
    try:
        deadline = time.monotonic() + 120
        # A job is known to Snakemake for sure once it asks about it.
        while not (pjm / "asked").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        time.sleep(5)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=120)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert submitted(pjm)
    for job in pjm.glob("*.json"):
        assert job.with_suffix(".cancelled").exists()
