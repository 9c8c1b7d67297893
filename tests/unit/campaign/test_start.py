"""What is checked before the first job, and the end by SIGTERM."""

import inspect
import os
import signal
import threading
import time

import pytest

from collinear.campaign.files import write_json
from collinear.campaign.schema import ConfigError
from collinear.campaign.start import check_commands, check_recorded, heed_sigterm


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
