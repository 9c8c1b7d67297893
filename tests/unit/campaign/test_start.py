"""SIGTERM does not stand still a campaign whose main thread holds a lock."""

import inspect
import os
import signal
import threading
import time

from collinear.campaign.start import heed_sigterm


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
