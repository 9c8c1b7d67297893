"""What is checked before the first job, and the end by SIGTERM."""

import inspect
import os
import signal
import threading
import time

import pytest

from collinear.campaign.digests import freeze, scoring_digest
from collinear.campaign.files import read_json, write_json
from collinear.campaign.schema import ConfigError
from collinear.campaign.start import (
    check_commands,
    check_data,
    check_journal,
    check_recorded,
    heed_sigterm,
    open_campaign,
    recorded_digests,
)


class Scheduler:
    """As Snakemake's: the handler takes the lock that the main thread works under."""

    def __init__(self):
        self.lock, self.ended = threading.Lock(), threading.Event()
        signal.signal(signal.SIGTERM, self.exit_gracefully)

    def exit_gracefully(self, number, frame):
        if self.lock.acquire(timeout=30):  # for ever in Snakemake
            self.lock.release()
            self.ended.set()


def test_a_handler_that_needs_the_main_threads_lock_runs_after_it():
    before = signal.getsignal(signal.SIGTERM)
    heed_sigterm(Scheduler)
    heed_sigterm(Scheduler)  # a file that is read twice
    try:
        scheduler, began = Scheduler(), time.monotonic()
        with scheduler.lock:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            assert not scheduler.ended.is_set()
        assert scheduler.ended.wait(timeout=20)
        assert time.monotonic() - began < 20
    finally:
        signal.signal(signal.SIGTERM, before)


def test_snakemake_has_the_handler_that_is_replaced():
    from snakemake.scheduling.job_scheduler import JobScheduler

    assert callable(JobScheduler.exit_gracefully)
    installs = inspect.getsource(JobScheduler.__init__)
    assert "signal.signal(signal.SIGTERM, self.exit_gracefully)" in installs


@pytest.mark.parametrize("key", ["pretrain", "finetune", "score", "illustrate"])
def test_a_program_that_is_not_there_is_found_before_the_first_job(
    make_campaign, settings, key
):
    there = {"pretrain": ["{python}", "-m", "x"], "finetune": ["sh", "x"]}
    application = settings["application"] | there
    check_commands(make_campaign(application=application))
    wrong = application | {key: ["no_such_program", "x"]}
    with pytest.raises(ConfigError, match=rf"{key}: there is no program 'no_such"):
        check_commands(make_campaign(application=wrong))


@pytest.mark.parametrize("key", ["profile", "tune_minibatch"])
def test_so_is_a_program_that_only_measures(make_campaign, settings, key):
    there = {"pretrain": ["sh", "x"], "finetune": ["sh", "x"]}
    application = settings["application"] | there | {key: ["no_such_program", "x"]}
    check_commands(make_campaign(application=application))  # nothing asks for it
    with pytest.raises(ConfigError, match=rf"{key}: there is no program 'no_such"):
        check_commands(make_campaign(application=application, prepare={key: True}))


def test_a_check_of_data_is_told_what_earlier_results_recorded(
    make_campaign, settings, tmp_path
):
    seen = tmp_path / "seen.json"
    program = tmp_path / "check.py"
    program.write_text(
        "import json, shutil, sys\n"
        f"shutil.copy(sys.argv[2], {str(seen)!r})\n"
        "recorded = json.load(open(sys.argv[2])).get('recorded', {})\n"
        "sys.exit('other data' if recorded.get('training') == {'data': 'b'} else 0)\n"
    )
    score = {"score": ["program"], "check_data": ["{python}", str(program)]}
    campaign = make_campaign(application=settings["application"] | score)
    check_data(campaign, tmp_path / "small")
    assert "recorded" not in read_json(seen)
    work = tmp_path / "small/trials/0-1/seed1/work"
    (work / "old").mkdir(parents=True)
    (work / "metrics.json").write_text("torn")
    write_json(tmp_path / "small/trials/1-1/seed1/work/metrics.json", {"digests": 3})
    write_json(work / "score-000000000000/score.json", {"digests": {"data": "old"}})
    assert recorded_digests(campaign, tmp_path / "small") == {}
    now = f"score-{scoring_digest(campaign)[:12]}/score.json"
    write_json(work / now, {"digests": {"data": "a"}})
    write_json(
        tmp_path / "small/pretrain/work/metrics.json", {"digests": {"data": "b"}}
    )
    with pytest.raises(ConfigError, match="other data"):
        check_data(campaign, tmp_path / "small")
    recorded = {"training": {"data": "b"}, "scoring": {"data": "a"}}
    assert read_json(seen)["recorded"] == recorded
    assert "recorded" not in read_json(seen)["settings"]


def test_damaged_files_of_a_campaign_are_one_message(
    campaign, settings, schema, tmp_path
):
    root = tmp_path / "small"
    freeze(campaign, root)
    told = root / "history/told/lane00-0.json"
    told.parent.mkdir(parents=True)
    told.write_text("")
    with pytest.raises(ConfigError, match=r"lane00-0\.json: not valid JSON.*a copy"):
        check_journal(root)
    (root / "settings.json").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"settings\.json: is not text.*a copy"):
        open_campaign(settings, schema, tmp_path)


def test_values_that_finished_trainings_lack_are_refused(
    make_campaign, settings, tmp_path
):
    """Where nothing scores, they would be trained again or never have one."""
    work = tmp_path / "trials/{}/seed1/work/metrics.json"
    application = settings["application"]
    more = make_campaign(application=application | {"values": ["niqe", "rmse", "ma"]})
    check_recorded(more, tmp_path)
    for point, record in {
        "0-0": {"status": "diverged"},
        "0-1": [],
        "0-2": {"status": "done", "values": 5},
        "1-0": {"status": "done", "values": {"niqe": 3.0, "rmse": 9.0}},
    }.items():
        write_json(tmp_path / str(work).format(point), record)
    with pytest.raises(ConfigError, match=r"1-0/seed1/.* has none named ma;"):
        check_recorded(more, tmp_path)
    check_recorded(make_campaign(), tmp_path)
    scored = application | {"values": ["niqe", "rmse", "ma"], "score": ["sh", "x"]}
    check_recorded(make_campaign(application=scored), tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"max_trials": 10**400}, "max_trials: is too large a number"),
        ({"space": {"a": [1, 10**400], "b": [1]}}, r"space\.a\.1: is too large"),
        (
            {"space": {"sd": [1.0]}, "conventional": {"sd": 1.0}, "finals": True},
            "the table of finals has a column 'sd'",
        ),
    ],
)
def test_settings_that_break_tables_or_floats_are_refused(make_campaign, changes, said):
    with pytest.raises(ConfigError, match=said):
        make_campaign(**changes)
