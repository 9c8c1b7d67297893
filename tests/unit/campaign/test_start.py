"""SIGTERM does not stand still a campaign whose main thread holds a lock."""

import os
import signal
import threading
import time

from collinear.campaign.start import heed_sigterm


def test_a_handler_that_needs_the_main_threads_lock_runs_after_it():
    lock, ran = threading.Lock(), threading.Event()

    def handler(number, frame):
        if lock.acquire(timeout=30):  # for ever in Snakemake
            lock.release()
            ran.set()

    before = signal.signal(signal.SIGTERM, handler)
    try:
        heed_sigterm()
        began = time.monotonic()
        with lock:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            assert not ran.is_set()
        assert ran.wait(timeout=20)
        assert time.monotonic() - began < 20
    finally:
        signal.signal(signal.SIGTERM, before)


def test_no_handler_stays_none():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        heed_sigterm()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
