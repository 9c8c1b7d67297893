"""Notices that the process by which Slurm holds this job is gone, and ends the job.

On a node each step of a job runs under a `slurmstepd`. When that dies (kill -9, no
memory left), the training under it lives on, but nobody tells its `srun` that it has
ended: the job would hold its slot until its time is over. So the training is told to
save and to end, and the job is cancelled, which Snakemake takes as a failed attempt and
starts again; it goes on where it was.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from collinear.campaign.overtime import looking

PROCESSES = Path("/proc")
_STARTS = "SLURM_RESTART_COUNT"  # Slurm sets it when a job was requeued
PAUSE = 15.0
"""Seconds between two looks."""


def job_number() -> str | None:
    """Return the number of the Slurm job that this process belongs to, or None."""
    return os.environ.get("SLURM_JOB_ID")


@contextmanager
def watched(end: Callable[[], None], pause: float = PAUSE) -> Iterator[None]:
    """Watch this job's `slurmstepd` processes while the block runs.

    Outside of Slurm, or where they cannot be seen, nothing is watched.

    Args:
        end: Has the training save its state and end; called once, in a thread.
        pause: Seconds between two looks.

    Yields:
        While the block runs. Afterwards the job has been cancelled if one was lost
        while Slurm took the job for running.
    """
    job = job_number()
    holders = find_holders(job) if job is not None else ()
    if job is None or not holders:
        yield
        return
    lost = threading.Event()

    def look() -> bool:
        if all(holds(path, job) for path in holders):
            return False
        lost.set()
        end()
        return True

    try:
        with looking(look, pause):
            yield
    finally:
        if lost.is_set() or not all(holds(path, job) for path in holders):
            cancel(job)


def find_holders(job: str) -> tuple[Path, ...]:
    """Return the `cmdline` files of the job's `slurmstepd` processes on this node."""
    files = PROCESSES.glob("[0-9]*/cmdline")
    return tuple(sorted(path for path in files if holds(path, job)))


def holds(path: Path, job: str) -> bool:
    """Return whether a `cmdline` file is that of a living `slurmstepd` of the job."""
    with suppress(OSError):
        return path.read_bytes().startswith(f"slurmstepd: [{job}.".encode())
    return False


def cancel(job: str) -> None:
    """Have Slurm end the job, unless it has let go of it already.

    A job that is requeued or preempted loses its steps one by one, too, and waits under
    the same number for its next start: cancelled, it would never get there. Where Slurm
    does not answer, the job's time limit still ends it.
    """
    with suppress(OSError, subprocess.SubprocessError):
        if state_and_starts(job) == ["RUNNING", os.environ.get(_STARTS, "0")]:
            subprocess.run(["scancel", job], timeout=60, check=False)


def state_and_starts(job: str) -> list[str]:
    """Return what Slurm says of a job: its state, and how often it was requeued."""
    asked = ["squeue", "--noheader", "--jobs", job, "--Format", "State,RestartCnt"]
    answer = subprocess.run(
        asked, timeout=60, check=True, capture_output=True, text=True
    )
    return answer.stdout.split()
